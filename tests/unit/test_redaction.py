"""Secrets and personal data stay out of logs, wherever they come from."""

from __future__ import annotations

import json
import logging

import pytest

from bookio_singer.redaction import conceal, install, redacted

SECRET = "a-token-that-is-secret"  # pragma: allowlist secret


@pytest.fixture(autouse=True)
def concealed() -> None:
    install()
    conceal(SECRET)


def logged(caplog: pytest.LogCaptureFixture, message: str, *args: object) -> str:
    with caplog.at_level(logging.INFO):
        logging.getLogger("anyone").info(message, *args)
    return caplog.records[-1].getMessage()


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("to jan@example.org, twice", "to ***, twice"),
        ("?email=jan%40example.org&x", "?email=***&x"),
        ("a@b@c", "***@c"),
        ("z" * 5000 + "@example.org", "***"),
        (f"Bearer abc and {SECRET}", "Bearer *** and ***"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_secrets_and_addresses_are_hidden(text: str, clean: str) -> None:
    assert redacted(text) == clean


@pytest.mark.parametrize("piece", ["z", "bearer ", "a%40", "@", "%40", "bearer", "é", " "])
def test_long_texts_are_redacted_in_linear_time(piece: str) -> None:
    """Quadratic time would be hours here."""
    assert len(redacted(piece * (1_000_000 // len(piece)))) < 10_100


def test_a_message_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    forged = "x\n2026-01-01 | ERROR | forged\x1b[31m\r\u2028\x85\ud800"
    line = logged(caplog, "field %s", forged)
    assert line == r"field x\n2026-01-01 | ERROR | forged\x1b[31m\r\u2028\x85\ud800"


def test_a_long_message_is_truncated(caplog: pytest.LogCaptureFixture) -> None:
    line = logged(caplog, "field %s", "x" * 50_000)
    assert len(line) < 10_100
    assert "more characters" in line


def test_a_metric_is_not_changed(caplog: pytest.LogCaptureFixture) -> None:
    metric = json.dumps({"metric": "record_count", "value": 3, "tags": {"stream": "reservations"}})
    assert logged(caplog, "METRIC: %s", metric) == f"METRIC: {metric}"
