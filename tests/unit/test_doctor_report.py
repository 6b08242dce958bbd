"""The doctor's report on a terminal."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from bookio_api.contract import Evidence
from bookio_doctor.finding import Finding, Verdict
from bookio_doctor.report import show


def finding(**parts: object) -> Finding:
    plain = {
        "topic": "topic",
        "assumption": "assumption",
        "evidence": Evidence.GUESS,
        "verdict": Verdict.DIFFERS,
        "seen": "seen",
    }
    return Finding(**{**plain, **parts})


def shown(*findings: Finding) -> str:
    output = StringIO()
    show(findings, 3, "", Console(file=output, width=200))
    return output.getvalue()


def test_text_from_the_server_is_shown_as_it_is() -> None:
    """A cell that looks like rich's markup is neither read as markup nor an error."""
    markup = "[/x] [bold]"
    text = shown(finding(topic=markup, assumption=markup, seen=markup, meaning=markup))
    assert text.count(markup) == 4


def test_each_schema_patch_names_its_stream() -> None:
    patch = ({"op": "add", "path": "/properties/roomNumber", "value": {"type": ["integer"]}},)
    text = shown(
        finding(patch=patch, stream="calendars"), finding(patch=patch, stream="reservations")
    )
    assert "JSON Patch for the schema of calendars:" in text
    assert "JSON Patch for the schema of reservations:" in text


def test_suggested_settings_can_be_copied_from_a_narrow_terminal() -> None:
    path = "GET /public/v2/organisation/departments/facilities/reservations:list"
    output = StringIO()
    moved = finding(overrides={"list_reservations": path})
    show([moved], 3, "", Console(file=output, width=40))
    assert output.getvalue().count(f'"{path}"') == 2
