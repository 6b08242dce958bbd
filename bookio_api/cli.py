"""The last resort of both command lines: every failure is one line on stderr and exit code 1."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import click

from bookio_api.errors import BookioError
from bookio_api.redaction import place_of, redacted

FAILED = 1
SECRETS = ("auth_token", "personal_data_key")


class OneLineCommand(click.Command):
    """A command that never shows a traceback, a token or a patient."""

    @classmethod
    def like(cls, command: click.Command, logger: logging.Logger) -> OneLineCommand:
        """Return the command with its failures in one line."""
        made = cls(
            name=command.name,
            callback=command.callback,
            params=command.params,
            help=command.help,
            context_settings=command.context_settings,
        )
        made.logger = logger
        return made

    logger: logging.Logger = logging.getLogger(__name__)

    def main(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as click has it
        """Run, and end any failure with one line and exit code 1."""
        logging.captureWarnings(capture=True)
        try:
            return super().main(*args, **kwargs)
        except BrokenPipeError:
            self.logger.error("the program that reads our output stopped; see its own messages")
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except Exception as error:  # noqa: BLE001 - the last resort
            self.logger.error(redacted(describe(error)))
        sys.exit(FAILED)


def describe(error: BaseException) -> str:
    """Return one line about an exception.

    What an unexpected one says may quote a patient or a token, so only its type and place are told.
    """
    if isinstance(error, BookioError):
        return str(error)
    problems = getattr(error, "errors", None)
    if isinstance(problems, list) and problems:
        return "; ".join(dict.fromkeys(_without_secret(str(problem)) for problem in problems))
    line = getattr(error, "lineno", None)
    if isinstance(error, ValueError) and line is not None:  # json's and simplejson's
        return f"a file of --config, --state or --catalog is not JSON (line {line})"
    if isinstance(error, FileNotFoundError):
        return f"no such file: {error.filename}" if error.filename else str(error)
    return f"unexpected {place_of(error)}; please report this line"


def _without_secret(problem: str) -> str:
    """Return what the settings' validation found, unless it quotes a secret."""
    for secret in SECRETS:
        if f"config['{secret}']" in problem:
            return f"the setting {secret} is not a text as it should be"
    return problem
