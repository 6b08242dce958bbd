"""The last resort of the command lines."""

from __future__ import annotations

import logging

import click
import pytest

from bookio_singer.command import OneLineCommand


def test_a_lack_of_memory_is_told(caplog: pytest.LogCaptureFixture) -> None:
    def callback() -> None:
        raise MemoryError

    command = OneLineCommand.like(click.Command("tap", callback=callback), logging.getLogger("t"))
    with pytest.raises(SystemExit) as ended:
        command.main([])
    assert ended.value.code == 1
    assert "not enough memory" in caplog.text
