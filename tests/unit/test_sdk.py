"""The private names of singer-sdk that we use are unchanged."""

from __future__ import annotations

import inspect
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from singer_sdk.exceptions import ConfigValidationError

from bookio_singer.sdk import (
    READ_IN,
    SEAMS,
    SOURCE_SEAMS,
    Seam,
    SingerTap,
    SingerTarget,
    SourceSeam,
)
from tap_bookio.tap import TapBookio
from target_bookio.target import TargetBookio
from tests.sdk_names import private_uses

ROOT = Path(__file__).parents[2]
SETTINGS = {"auth_token": "token"}
OF_SDK = f"of singer-sdk {version('singer-sdk')}"
TODO = "read what changed, then adapt bookio_singer/sdk.py"


def problem_with(seam: Seam) -> str | None:
    """Return a message if the name is gone or its signature changed."""
    owner = getattr(seam.owner, "__name__", type(seam.owner).__name__)
    what = f"{owner}.{seam.name} {OF_SDK}"
    todo = f" ({seam.reason}): {TODO}"
    found = getattr(seam.owner, seam.name, None)
    if found is None:
        return f"{what} is gone{todo}"
    if seam.parameters and parameters_of(found) != seam.parameters:
        return f"{what} takes ({parameters_of(found)}), not ({seam.parameters}){todo}"
    return None


def problem_with_source(seam: SourceSeam) -> str | None:
    """Return a message if the source of a function no longer contains what we rely on."""
    name = getattr(seam.function, "__qualname__", seam.function.__name__)
    if seam.source in inspect.getsource(seam.function):
        return None
    return f"{name} {OF_SDK} no longer contains `{seam.source}` ({seam.reason}): {TODO}"


def parameters_of(function: object) -> str:
    """Return names and kinds of parameters; types and defaults may change."""
    bare = inspect.signature(function)  # type: ignore[arg-type]
    parameters = [p.replace(annotation=p.empty, default=p.empty) for p in bare.parameters.values()]
    return str(inspect.Signature(parameters)).strip("()")


@pytest.mark.parametrize("seam", SEAMS, ids=lambda seam: seam.name)
def test_a_private_name_is_unchanged(seam: Seam) -> None:
    """A release of singer-sdk that moves a name fails here, with advice."""
    problem = problem_with(seam)
    assert problem is None, problem


@pytest.mark.parametrize("seam", SOURCE_SEAMS, ids=lambda seam: seam.source)
def test_what_we_rely_on_in_a_function_is_unchanged(seam: SourceSeam) -> None:
    """A release of singer-sdk that renames a variable or rewords a text fails here, with advice."""
    problem = problem_with_source(seam)
    assert problem is None, problem


def test_a_name_that_is_gone_or_changed_is_detected() -> None:
    """Negative control of the comparison."""
    gone = problem_with(Seam(SingerTap, "_gone", "self", "a test"))
    assert gone is not None
    assert "SingerTap._gone of singer-sdk" in gone
    changed = problem_with(Seam(SingerTap, "load_state", "self, other", "a test"))
    assert changed is not None
    assert "takes (self, state), not (self, other)" in changed
    renamed = problem_with_source(SourceSeam(SingerTap.load_state, "self._gone", "a test"))
    assert renamed is not None
    assert "no longer contains `self._gone` (a test): read what changed" in renamed


def test_instances_have_the_private_attributes() -> None:
    """What the SDK sets in a constructor is read through sdk.py without an error."""
    tap = TapBookio(config=SETTINGS)
    stream = tap.streams["reservations"]
    assert stream.record_version is None  # type: ignore[attr-defined]
    assert stream.message_writer is tap.message_writer  # type: ignore[attr-defined]
    assert stream.passes_records_unchanged  # type: ignore[attr-defined]
    tap.close()
    target = TargetBookio(config=SETTINGS)
    assert isinstance(target, SingerTarget)
    assert target.active_sink("reservations") is None


def test_a_version_is_not_activated_before_the_rows() -> None:
    """``emit_activate_version_messages``, a setting since singer-sdk 0.55, is refused."""
    with pytest.raises(ConfigValidationError) as refused:
        TapBookio(config={**SETTINGS, "emit_activate_version_messages": True})
    assert "emit_activate_version_messages would" in refused.value.errors[0]
    tap = TapBookio(config={**SETTINGS, "emit_activate_version_messages": False})
    assert not any(stream.emit_activate_version_messages for stream in tap.streams.values())
    tap.close()


def sources() -> dict[str, str]:
    """Return our modules by their path, except the one that may use private names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    paths = {path for package in packages for path in (ROOT / package).rglob("*.py")}
    return {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for path in paths - {ROOT / "bookio_singer/sdk.py"}
    }


def test_private_names_stay_in_one_module() -> None:
    """No other module imports a private module of the SDK, or uses or overrides a private name."""
    assert private_uses(sources()) == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from singer_sdk.helpers._batch import BatchConfig\n", "_batch.BatchConfig"),
        ("import singer_sdk.helpers._state\n", "_state"),
        ("from singer_sdk.plugin_base import _ConfigInput\n", "_ConfigInput"),
        ("def f(stream):\n    return stream._replication_key\n", "_replication_key"),
        ("class A(WholePages):\n    def _sync_children(self): ...\n", "_sync_children"),
        ("class B(ReservationsStream):\n    def f(self): self._is_sorted\n", "_is_sorted"),
        (
            "from singer_sdk import Sink\nclass C(Sink):\n    _batch_records_read = 0\n",
            "_batch_records_read",
        ),
    ],
)
def test_a_private_name_elsewhere_is_detected(source: str, expected: str) -> None:
    """Negative control, with names that are in none of our lists."""
    bases = {path: text for path, text in sources().items() if path.startswith("tap_bookio/")}
    [found] = private_uses({**bases, "bookio_shards/sdk.py": source})
    assert found.startswith("bookio_shards/sdk.py:")
    assert found.endswith(expected)


def test_the_reviewed_release_is_the_pinned_one() -> None:
    """``READ_IN`` is the release that a lock file installs, so the reasons are current."""
    pins = (ROOT / "requirements/runtime.txt").read_text(encoding="utf-8")
    assert f"singer-sdk=={READ_IN} " in pins
