"""Meltano accepts our project and our plugins' definitions, and can add and run them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft7Validator
from referencing import Registry, Resource

from tap_bookio.settings import SETTINGS as TAP_SETTINGS
from tap_warehouse.settings import SETTINGS as WAREHOUSE_SETTINGS
from target_bookio.settings import SETTINGS as TARGET_SETTINGS
from tests.cli import BIN
from tests.loaders import MELTANO, missing

if TYPE_CHECKING:
    from bookio_sandbox.running import Sandbox

ROOT = Path(__file__).parents[2]
HUB = ROOT / "tests/data/hub"
PLUGINS = [
    ("tap-bookio", "extractor", TAP_SETTINGS),
    ("tap-warehouse", "extractor", WAREHOUSE_SETTINGS),
    ("target-bookio", "loader", TARGET_SETTINGS),
]


def definition(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / f"docs/hub/{name}.yml").read_text())


def problems(kind: str, content: dict[str, Any]) -> list[str]:
    """Return what the hub's own schema finds wrong with a definition."""

    def retrieve(uri: str) -> Resource:
        return Resource.from_contents(json.loads((HUB / Path(uri).name).read_text()))

    schema = json.loads((HUB / f"{kind}s.schema.json").read_text())
    validator = Draft7Validator(schema, registry=Registry(retrieve=retrieve))
    return [error.message for error in validator.iter_errors(content)]


@pytest.mark.parametrize(("name", "kind", "settings"), PLUGINS)
def test_definition_is_valid_and_lists_each_setting(name: str, kind: str, settings: dict) -> None:
    content = definition(name)
    assert problems(kind, content) == []
    listed = {setting["name"]: setting for setting in content["settings"]}
    assert list(listed)[: len(settings)] == list(settings)
    secret = {n for n, s in settings.items() if s.get("secret")}
    assert {n for n, s in listed.items() if s.get("sensitive")} == secret


@pytest.mark.parametrize(
    "wrong", [{"quality": "best"}, {"variant": None}, {"capabilities": ["fly"]}, {"url": "x"}]
)
def test_a_wrong_definition_is_not_valid(wrong: dict[str, Any]) -> None:
    assert problems("extractor", definition("tap-bookio") | wrong)


def test_the_tap_can_be_tested_by_meltano() -> None:
    assert "test" in definition("tap-bookio")["capabilities"]


def test_meltano_accepts_the_project_file(tmp_path: Path) -> None:
    command = [BIN / "check-jsonschema", "--builtin-schema", "vendor.meltano"]
    assert subprocess.run([*command, ROOT / "meltano.yml"], check=False).returncode == 0
    project = yaml.safe_load((ROOT / "meltano.yml").read_text())
    wrong = tmp_path / "meltano.yml"
    wrong.write_text(yaml.safe_dump(project | {"plugins": {"extractor": []}}))
    assert subprocess.run([*command, wrong], check=False).returncode == 1


def test_meltano_adds_the_plugins_to_an_empty_project(tmp_path: Path, sandbox: Sandbox) -> None:
    """`meltano add --from-ref` takes the definitions, and the tap that it added connects."""
    if not MELTANO.exists():
        missing("Meltano")
    project = tmp_path / "meltano.yml"
    project.write_text("project_id: empty\nsend_anonymous_usage_stats: false\n")

    def meltano(*arguments: str) -> str:
        done = subprocess.run(
            [MELTANO, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "TAP_BOOKIO_API_URL": sandbox.url,
                "TAP_BOOKIO_AUTH_TOKEN": sandbox.token,
                "TAP_BOOKIO_DETECT_DELETIONS": "true",
            },
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    for name, kind, _ in PLUGINS:
        reference = str(ROOT / f"docs/hub/{name}.yml")
        meltano("add", "--plugin-type", kind, "--from-ref", reference, "--no-install", name)
    plugins = yaml.safe_load(project.read_text())["plugins"]
    [tap, warehouse], [target] = plugins["extractors"], plugins["loaders"]
    assert warehouse["pip_url"] == "singer-bookio[warehouse]"
    assert (tap["pip_url"], tap["variant"]) == ("singer-bookio", "singer-bookio")
    assert {s["name"] for s in target["settings"]} >= set(TARGET_SETTINGS)
    # The distribution is not published: run what is installed here instead.
    tap["executable"] = str(BIN / "tap-bookio")
    project.write_text(yaml.safe_dump({"project_id": "empty", "plugins": plugins}))
    assert "valid" in meltano("config", "test", "--no-install", "tap-bookio")
