"""The last resort of our command lines: every failure is one line on stderr and exit code 1."""

from __future__ import annotations

import io
import logging
import os
import sys
from contextlib import contextmanager
from traceback import walk_tb
from typing import IO, TYPE_CHECKING, Any

import click

from bookio_api.errors import BookioError, SettingsError
from bookio_singer.config import parsed, settings_of
from bookio_singer.redaction import conceal, install, place_of, redacted
from bookio_singer.sdk import STREAM_MAPS_MODULE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FAILED = 1
SECRETS = ("auth_token", "previous_auth_token", "personal_data_key")


class ReaderStoppedError(Exception):
    """Nobody reads our output any more."""


class OneLineCommand(click.Command):
    """A command that never shows a traceback, a token or a patient."""

    logger: logging.Logger = logging.getLogger(__name__)

    @classmethod
    def like(cls, command: click.Command, logger: logging.Logger) -> OneLineCommand:
        """Return the command of a singer-sdk plugin with its failures in one line."""
        made = cls(
            name=command.name,
            callback=command.callback,
            params=command.params,
            help=command.help,
            context_settings=command.context_settings,
        )
        made.logger = logger
        for option in made.params:
            if option.name == "config":
                option.callback = made._reading_settings(option.callback)
            elif option.name in {"state", "catalog"}:
                option.callback = _checked_json
        return made

    @property
    def variable_prefix(self) -> str:
        """How the names of its variables in the environment begin."""
        return f"{self.name or ''}_".upper().replace("-", "_")

    def main(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as click has it
        """Run, and end any failure with one line and exit code 1."""
        install()
        logging.captureWarnings(capture=True)
        try:
            code = super().main(*args, **{**kwargs, "standalone_mode": False})
            with _pipe():
                sys.stdout.flush()
            sys.exit(code)
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except ReaderStoppedError:
            self.logger.error("the program that reads our output stopped; see its own messages")
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except click.Abort:
            self.logger.error("interrupted")
        except Exception as error:  # noqa: BLE001 - the last resort
            self.logger.error(redacted(_line_about(error, self.variable_prefix)))
        sys.exit(FAILED)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Carry out the options that are commands of their own."""
        with _pipe():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - as click has it
        """Carry out the command."""
        with _pipe():
            return super().invoke(ctx)

    def _reading_settings(self, empty: Any) -> Callable[..., Any]:  # noqa: ANN401
        """Return a callback of ``--config`` that fills the SDK's ``empty`` one by our rules."""
        plugin: Any = getattr(self.callback, "__self__", None)

        def callback(context: click.Context, option: click.Option, sources: tuple[str, ...]) -> Any:  # noqa: ANN401
            given = empty(context, option, ())
            schema = plugin.config_jsonschema
            plugin.append_builtin_config(schema)
            given.config = settings_of(sources, schema["properties"], self.variable_prefix)
            for name in SECRETS:
                conceal(str(given.config.get(name) or "").strip())
            return given

        return callback


@contextmanager
def _pipe() -> Iterator[None]:
    """Give a broken pipe a name of ours, for click ends without a word at its own."""
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderStoppedError from error


def _line_about(error: BaseException, variable_prefix: str) -> str:
    """Return one line about an exception.

    What an unexpected one says may quote a patient or a token, so only its type and place are told.
    """
    if isinstance(error, BookioError):
        return str(error)
    problems = getattr(error, "errors", None)
    if isinstance(problems, list) and problems:
        told = (_told(str(problem), variable_prefix) for problem in problems)
        return "; ".join(dict.fromkeys(told))
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename} cannot be used: {error.strerror}"
    if isinstance(error, MemoryError):
        return "there is not enough memory; give it more, or lower max_concurrency and page_size"
    if _passed_through(error, STREAM_MAPS_MODULE):
        kind = type(error).__name__
        return f"stream_maps cannot be carried out ({kind}); correct its expressions and names"
    return f"unexpected {place_of(error)}; please report this line"


def _passed_through(error: BaseException, module: str) -> bool:
    frames = walk_tb(error.__traceback__)
    return any(frame.f_globals.get("__name__") == module for frame, _ in frames)


def _told(problem: str, variable_prefix: str) -> str:
    """Return what the settings' validation found, unless it quotes a secret."""
    for secret in SECRETS:
        if f"config['{secret}']" in problem:
            return f"the setting {secret} is not a text as it should be"
        if problem == f"'{secret}' is a required property":
            variable = f"{variable_prefix}{secret.upper()}"
            return (
                f"{secret} is missing; put it into {variable} and add --config ENV, or into a file"
            )
    return problem


def _checked_json(_: click.Context, option: click.Parameter, file: IO[str] | None) -> Any:  # noqa: ANN401
    """Return the file, read; what is no JSON is told by the option's name."""
    if file is None:
        return None
    what = f"--{option.name} {file.name}"
    try:
        text = file.read()
    except ValueError as error:
        msg = f"{what} is not UTF-8; save it as UTF-8"
        raise SettingsError(msg) from error
    parsed(text, what)
    return io.StringIO(text)
