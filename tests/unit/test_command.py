"""How a command ends when something goes wrong."""

from __future__ import annotations

import logging
import sys
import threading

import click
import pytest
from singer_sdk.exceptions import ConfigValidationError

from bookio_api.errors import AuthError, ServerError, ValidationError
from bookio_singer.command import OneLineCommand


@pytest.fixture(autouse=True)
def _own_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give pytest its hooks back, which a command replaces."""
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)


def failing_with(error: Exception, caplog: pytest.LogCaptureFixture) -> str:
    """Return what a command logs that ends with this error."""

    def callback() -> None:
        raise error

    command = click.Command("tap-bookio", callback=callback)
    with pytest.raises(SystemExit) as ended:
        OneLineCommand.like(command, logging.getLogger("t")).main([])
    assert ended.value.code == 1
    [record] = caplog.records
    return record.getMessage()


@pytest.mark.parametrize(
    ("error", "section"),
    [
        (AuthError("no"), "access"),
        (ValidationError("no"), "refused"),
        (ServerError("no"), "connection"),
        (PermissionError(13, "no", "journal.sqlite3"), "files"),
        (click.Abort(), "stopped"),
        (BrokenPipeError(), "stopped"),
        (KeyError("no"), "unexpected"),
    ],
)
def test_a_line_ends_with_the_section_that_explains_it(
    caplog: pytest.LogCaptureFixture, error: Exception, section: str
) -> None:
    assert failing_with(error, caplog).endswith(f" (docs/errors.md#{section})")


def test_out_of_memory_is_reported_with_the_settings_to_lower(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert "not enough memory" in failing_with(MemoryError(), caplog)


def test_an_exception_of_a_thread_is_one_line(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither a traceback nor the text of the exception is shown."""

    def fail() -> None:
        msg = "Jana"
        raise KeyError(msg)

    def callback() -> None:
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()

    with pytest.raises(SystemExit):
        OneLineCommand.like(click.Command("t", callback=callback), logging.getLogger("t")).main([])
    [record] = caplog.records
    assert record.getMessage().startswith("unexpected KeyError in ")
    assert "Jana" not in record.getMessage() + capsys.readouterr().err


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        (
            "'hush' is not of type 'integer' in config['page_size']",
            "the setting page_size is not of type 'integer'",
        ),
        (
            "'hush is hush' is not one of ['keep', 'omit'] in config['personal_data']",
            "the setting personal_data is not one of ['keep', 'omit']",
        ),
        (
            "'hush\\nhush' is not of type 'integer' in config['facility_ids'][0]",
            "the setting facility_ids is not of type 'integer'",
        ),
        (
            "5 is not of type 'string' in config['endpoint_overrides']['hush']",
            "the setting endpoint_overrides is not of type 'string'",
        ),
        (
            "0 is less than the minimum of 1 in config['page_size']",
            "the setting page_size is less than the minimum of 1",
        ),
        (
            "'hush' is too short in config['lang']",
            "the setting lang is too short",
        ),
    ],
)
def test_an_invalid_setting_is_named_without_its_value(
    caplog: pytest.LogCaptureFixture, problem: str, line: str
) -> None:
    """A value may be a misplaced secret."""
    said = failing_with(ConfigValidationError("settings", errors=[problem]), caplog)
    assert said == f"{line} (docs/errors.md#settings)"


def test_a_missing_setting_says_where_to_put_it(caplog: pytest.LogCaptureFixture) -> None:
    problem = "'auth_token' is a required property"
    line = failing_with(ConfigValidationError("settings", errors=[problem]), caplog)
    assert line.startswith("auth_token is missing; set TAP_BOOKIO_AUTH_TOKEN and add --config ENV")
