"""Both command lines report each error in one line."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cli import BIN, Run, Tap, Target, run, singer_lines, writes

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
def test_a_misspelt_setting_is_refused(command: str, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"auth_token": "x", "facilityids": [1]}))
    assert "did you mean facility_ids?" in refused(run(command, "--config", str(config), stdin=""))


@BOTH
def test_an_unreadable_config_is_named(command: str, tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[1]")
    assert "list.json" in refused(run(command, "--config", str(tmp_path / "list.json"), stdin=""))
    assert "Is a directory" in refused(run(command, "--config", str(tmp_path), stdin=""))


@BOTH
def test_a_missing_token_says_how_to_set_it(command: str) -> None:
    variable = command.upper().replace("-", "_") + "_AUTH_TOKEN"
    assert variable in refused(run(command, stdin=""))
    line = refused(run(command, "--config", "ENV", stdin="", **{variable: ""}))
    assert "auth_token is empty; set it" in line


@BOTH
def test_an_invalid_variable_is_named(command: str) -> None:
    variable = command.upper().replace("-", "_") + "_FACILITY_IDS"
    line = refused(run(command, "--config", "ENV", stdin="", **{variable: "1,2"}))
    assert f"{variable} is not JSON; write it as [8675, 8712]" in line


@BOTH
def test_an_empty_list_of_facilities_is_refused(command: str) -> None:
    """A script may have found none; it did not mean all facilities."""
    prefix = command.upper().replace("-", "_")
    variables = {f"{prefix}_AUTH_TOKEN": "x", f"{prefix}_FACILITY_IDS": "[]"}
    line = refused(run(command, "--config", "ENV", stdin="", **variables))
    assert "facility_ids is an empty list" in line


def test_a_tap_can_be_configured_by_its_environment_alone(sandbox: Sandbox) -> None:
    settings = {"auth_token": sandbox.token, "api_url": sandbox.url, "request_timeout": "7.5"}
    settings |= {"page_size": "50", "requests_per_second": "500", "lookback_seconds": "0"}
    variables = {f"TAP_BOOKIO_{name.upper()}": text for name, text in settings.items()}
    assert run("tap-bookio", "--config", "ENV", **variables).code == 0
    assert "50" in str(sandbox.requests("list_reservations")[0]["query"]["limit"])


@BOTH
def test_a_misspelt_variable_is_refused(command: str, tmp_path: Path) -> None:
    variable = command.upper().replace("-", "_") + "_FACILITYIDS"
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"auth_token": "x"}))
    line = refused(run(command, "--config", str(config), stdin="", **{variable: "[1]"}))
    assert f"{variable} is not a setting; did you mean" in line
    assert "TARGET_BOOKIO_DRY_RUN" in refused(
        run("target-bookio", "--config", str(config), stdin="", TARGET_BOOKIO_DRYRUN="true")
    )


def test_the_target_writes_nothing_while_a_variable_is_not_read(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """A dry run requested in a variable that is not read must not write."""
    target = Target(sandbox, tmp_path)
    lines = singer_lines("reservations", [target.booking(1)])
    config = target.command()[1:]
    done = run("target-bookio", *config, stdin=lines, TARGET_BOOKIO_DRY_RUN="true")
    assert "TARGET_BOOKIO_DRY_RUN: set, but not used" in refused(done)
    assert writes(sandbox) == []
    run("target-bookio", *config, stdin=lines, TARGET_BOOKIO_DRY_RUN="false")
    assert writes(sandbox) == ["create_reservation"], "the same as in force, so nothing is lost"


def test_the_tap_warns_of_a_variable_that_is_not_read(sandbox: Sandbox, tmp_path: Path) -> None:
    tap = Tap(sandbox, tmp_path)
    assert "not used" not in tap().stderr
    config = str(tmp_path / "config.json")
    done = run("tap-bookio", "--config", config, TAP_BOOKIO_PAGE_SIZE="50")
    assert done.code == 0
    [line] = [line for line in done.stderr.splitlines() if "not used" in line]
    assert "WARNING" in line
    assert "TAP_BOOKIO_PAGE_SIZE" in line


@BOTH
def test_a_misspelt_boolean_is_refused(command: str) -> None:
    variable = command.upper().replace("-", "_")
    switch = "DETECT_DELETIONS" if command == "tap-bookio" else "DRY_RUN"
    environment = {f"{variable}_AUTH_TOKEN": "x", f"{variable}_{switch}": "ture"}
    line = refused(run(command, "--config", "ENV", stdin="", **environment))
    assert f"{variable}_{switch} is not true or false; write it as true" in line


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_state_and_catalog_may_have_any_encoding_of_json(
    sandbox: Sandbox, tmp_path: Path, encoding: str
) -> None:
    tap = Tap(sandbox, tmp_path)
    state, catalog = tap().state, tap("--discover").stdout
    for option, text in ("state", json.dumps(state)), ("catalog", catalog):
        path = tmp_path / f"{option}-elsewhere.json"
        path.write_text(text, encoding=encoding)
        assert tap(f"--{option}", str(path)).code == 0


@pytest.mark.parametrize("option", ["state", "catalog"])
def test_a_file_that_is_not_json_is_named_by_its_option(
    sandbox: Sandbox, tmp_path: Path, option: str
) -> None:
    done = Tap(sandbox, tmp_path)(**{option: '{\n"bookmarks'})
    assert f"--{option} {tmp_path / option}.json is not JSON (line 2)" in refused(done)


def test_an_unknown_option_is_a_usage_error() -> None:
    done = run("tap-bookio", "--nosuch")
    assert done.code == 2
    assert "No such option" in done.stderr


@pytest.mark.parametrize("option", [[], ["--discover"]])
def test_a_closed_pipe_is_reported(
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
    assert "the program that reads our output closed the pipe" in errors[0]
    assert "Traceback" not in stderr
    assert "Exception ignored" not in stderr


@pytest.mark.parametrize(
    "option", [["--config"], ["--discover", "--config"], ["--about"]], ids=" ".join
)
@pytest.mark.parametrize(
    ("redirection", "reason"),
    [
        (">/dev/full", "output cannot be written: No space left on device;"),
        (">&-", "stdout is closed;"),
    ],
)
def test_a_stdout_that_takes_nothing_is_reported(
    sandbox: Sandbox, tmp_path: Path, option: list[str], redirection: str, reason: str
) -> None:
    """A full disk, or a stdout that the caller closed."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"auth_token": sandbox.token, "api_url": sandbox.url}))
    command = [
        str(BIN / "tap-bookio"),
        *option,
        *([str(config)] if "--about" not in option else []),
    ]
    shell = ["sh", "-c", f'"$@" {redirection}', "sh", *command]
    done = subprocess.run(shell, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if "INFO" not in line]
    assert len(errors) == 1, done.stderr
    assert reason in errors[0]
    assert errors[0].endswith("(docs/errors.md#files)")
