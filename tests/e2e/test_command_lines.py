"""Both command lines: one line for what is wrong, whatever it is."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cli import BIN, Run, Tap, run

if TYPE_CHECKING:
    from pathlib import Path

    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox

BOTH = pytest.mark.parametrize("command", ["tap-bookio", "target-bookio"])


def refused(done: Run) -> str:
    assert done.code == 1, done.stderr
    assert done.stdout == ""
    [line] = done.errors
    assert "Traceback" not in done.stderr
    return line


@BOTH
def test_a_slip_in_a_name_is_refused(command: str, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"auth_token": "x", "facilityids": [1]}))
    assert "did you mean facility_ids?" in refused(run(command, "--config", str(config), stdin=""))


@BOTH
def test_a_config_that_is_none_is_named(command: str, tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[1]")
    assert "list.json" in refused(run(command, "--config", str(tmp_path / "list.json"), stdin=""))
    assert "Is a directory" in refused(run(command, "--config", str(tmp_path), stdin=""))


@BOTH
def test_a_missing_token_is_told_how_to_give(command: str) -> None:
    variable = command.upper().replace("-", "_") + "_AUTH_TOKEN"
    assert variable in refused(run(command, stdin=""))
    told = refused(run(command, "--config", "ENV", stdin="", **{variable: ""}))
    assert "auth_token is empty; set it" in told


@BOTH
def test_a_variable_of_another_form_is_named(command: str) -> None:
    variable = command.upper().replace("-", "_") + "_FACILITY_IDS"
    told = refused(run(command, "--config", "ENV", stdin="", **{variable: "1,2"}))
    assert f"{variable} is not JSON; write it as [8675, 8712]" in told


def test_a_tap_runs_on_its_environment(sandbox: Sandbox) -> None:
    settings = {"auth_token": sandbox.token, "api_url": sandbox.url, "request_timeout": "7.5"}
    settings |= {"page_size": "50", "requests_per_second": "500", "lookback_seconds": "0"}
    variables = {f"TAP_BOOKIO_{name.upper()}": text for name, text in settings.items()}
    assert run("tap-bookio", "--config", "ENV", **variables).code == 0
    assert "50" in str(sandbox.requests("list_reservations")[0]["query"]["limit"])


@pytest.mark.parametrize("option", ["state", "catalog"])
def test_a_file_that_is_not_json_is_told_by_its_option(
    sandbox: Sandbox, tmp_path: Path, option: str
) -> None:
    done = Tap(sandbox, tmp_path)(**{option: '{\n"bookmarks'})
    assert f"--{option} {tmp_path / option}.json is not JSON (line 2)" in refused(done)


def test_what_no_option_is_stays_a_usage_error() -> None:
    done = run("tap-bookio", "--nosuch")
    assert done.code == 2
    assert "No such option" in done.stderr


@pytest.mark.parametrize("option", [[], ["--discover"]])
def test_a_reader_that_stops_is_told(
    start_sandbox: StartSandbox, tmp_path: Path, option: list[str]
) -> None:
    clinic = start_sandbox(size=300, seed=3)
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"auth_token": clinic.token, "api_url": clinic.url}))
    command = [str(BIN / "tap-bookio"), "--config", str(config), *option]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tap:
        assert tap.stdout
        tap.stdout.close()
        assert tap.stderr
        stderr = tap.stderr.read().decode()
    assert tap.returncode == 1
    errors = [line for line in stderr.splitlines() if "| ERROR" in line]
    assert len(errors) == 1, stderr
    assert "the program that reads our output stopped" in errors[0]
    assert "Traceback" not in stderr
    assert "Exception ignored" not in stderr
