"""The private names of singer-sdk that we use are unchanged."""

from __future__ import annotations

import inspect
import re
from importlib.metadata import version
from pathlib import Path

import pytest
from singer_sdk.exceptions import ConfigValidationError

from bookio_singer.sdk import READ_IN, SEAMS, Seam, SingerTap, SingerTarget
from tap_bookio.tap import TapBookio
from target_bookio.target import TargetBookio

ROOT = Path(__file__).parents[2]
PACKAGES = ("tap_bookio", "target_bookio", "tap_warehouse", "bookio_singer", "bookio_doctor")
SETTINGS = {"auth_token": "token"}


def problem_with(seam: Seam) -> str | None:
    """Return a message if the name is gone or its signature changed."""
    owner = getattr(seam.owner, "__name__", type(seam.owner).__name__)
    what = f"{owner}.{seam.name} of singer-sdk {version('singer-sdk')}"
    todo = f" ({seam.reason}): read what changed, then adapt bookio_singer/sdk.py"
    found = getattr(seam.owner, seam.name, None)
    if found is None:
        return f"{what} is gone{todo}"
    if seam.parameters and parameters_of(found) != seam.parameters:
        return f"{what} takes ({parameters_of(found)}), not ({seam.parameters}){todo}"
    return None


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


def test_a_name_that_is_gone_or_changed_is_noticed() -> None:
    """Negative control of the comparison."""
    gone = problem_with(Seam(SingerTap, "_gone", "self", "a test"))
    assert gone is not None
    assert "SingerTap._gone of singer-sdk" in gone
    changed = problem_with(Seam(SingerTap, "load_state", "self, other", "a test"))
    assert changed is not None
    assert "takes (self, state), not (self, other)" in changed


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


def test_private_names_stay_in_one_module() -> None:
    """No other module of ours writes a private name of the SDK, or imports a private module."""
    names = {seam.name for seam in SEAMS if seam.name.startswith("_") and seam.name != "__init__"}
    names |= {"_ConfigInput", "_sinks_active", "_stream_version", "self._tap", "An unhandled error"}
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.name != "sdk.py"
        for name in names
        if re.search(rf"(?<![\w]){re.escape(name)}\b", path.read_text(encoding="utf-8"))
    ]
    assert not found


def test_the_reviewed_release_is_the_pinned_one() -> None:
    """``READ_IN`` is the release that a lock file installs, so the reasons are current."""
    pins = (ROOT / "requirements/runtime.txt").read_text(encoding="utf-8")
    assert f"singer-sdk=={READ_IN} " in pins
