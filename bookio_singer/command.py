"""The command line of our plugins: every failure is one line on stderr and exit code 1."""

from __future__ import annotations

import errno
import gc
import io
import json
import logging
import re
import sys
import threading
from contextlib import contextmanager
from traceback import walk_tb
from typing import IO, TYPE_CHECKING, Any

import click

from bookio_api.errors import BookioError, ErrorKind, SettingsError
from bookio_singer.config import settings_of, unread_variables
from bookio_singer.redaction import conceal, install, place_of, redacted
from bookio_singer.sdk import STREAM_MAPS_MODULE, Plugin, failed_stream_map
from bookio_singer.stdout import discard_stdout
from bookio_singer.values import parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FAILED = 1
_REQUIRED = re.compile(r"'(\w+)' is a required property")
_INVALID = re.compile(r"(?s).*\b((?:is|does|has|should) .*) in config\['(\w+)'.*")
"""How JSON Schema reports a missing setting, and an invalid one whose value comes first."""
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


class ReaderStoppedError(BookioError):
    """The program that reads our output stopped: a loader died, or ``head`` has read enough."""

    kind = ErrorKind.STOPPED


class ClosedOutputError(BookioError):
    """Our output goes nowhere."""

    kind = ErrorKind.FILES


class OneLineCommand(click.Command):
    """A command that never shows a traceback, a token or a patient."""

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 - as click has it
        logger: logging.Logger | None = None,
        writes: bool = False,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Take click's arguments; with ``writes``, a setting that nothing reads stops the run."""
        super().__init__(*args, **kwargs)
        self.logger = logger or logging.getLogger(__name__)
        self.writes = writes
        self._unread: tuple[str, ...] = ()

    @classmethod
    def like(
        cls, command: click.Command, logger: logging.Logger, *, writes: bool = False
    ) -> OneLineCommand:
        """Return the command of a singer-sdk plugin with its failures in one line."""
        own = cls(
            name=command.name,
            callback=command.callback,
            params=command.params,
            help=command.help,
            context_settings=command.context_settings,
            logger=logger,
            writes=writes,
        )
        for option in own.params:
            if option.name == "config":
                option.callback = own._config_callback(option.callback)
            elif option.name in {"state", "catalog"}:
                option.callback = _checked_json
        return own

    @property
    def variable_prefix(self) -> str:
        """How the names of its environment variables begin."""
        return f"{self.name or ''}_".upper().replace("-", "_")

    def main(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as click has it
        """Run; report any failure in one line and exit with code 1."""
        # What the imports made lives until the end, so no collection needs to look at it; the one
        # at exit alone took a tenth of a second.
        gc.freeze()
        install()
        logging.captureWarnings(capture=True)
        # Python would print these itself, with a traceback.
        threading.excepthook = sys.unraisablehook = self._report_unseen
        try:
            _require_stdout()
            code = super().main(*args, **{**kwargs, "standalone_mode": False})
            with _named_broken_pipe():
                sys.stdout.flush()
            sys.exit(code)
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except Exception as error:  # noqa: BLE001 - the last resort
            self._report(error)
            _give_up_unwritten()
        sys.exit(FAILED)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Handle the options that are separate commands, such as --discover."""
        with _named_broken_pipe():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - as click has it
        """Carry out the command."""
        if self._unread and not ctx.params.get("about"):
            self._report_unread()
        with _named_broken_pipe():
            return super().invoke(ctx)

    def _report_unseen(self, args: threading.ExceptHookArgs | sys.UnraisableHookArgs) -> None:
        """Report an exception that no code can catch: a thread's, or one of a finalizer."""
        self._report(args.exc_value or args.exc_type())

    def _report(self, error: BaseException) -> None:
        line, kind = _line_about(error, self.variable_prefix)
        self.logger.error(kind.with_page(redacted(line)))

    def _report_unread(self) -> None:
        names = ", ".join(self._unread)
        line = (
            f"{names}: set, but not used, and the settings differ; add --config ENV or unset them"
        )
        if self.writes:
            raise SettingsError(line)
        self.logger.warning(line)

    def _config_callback(self, sdk_callback: Any) -> Callable[..., Any]:  # noqa: ANN401
        """Return a callback of ``--config`` that reads the settings by our rules.

        The SDK's own callback gets no file, and returns the empty object that ``invoke`` expects.
        """
        plugin: type[Plugin] = getattr(self.callback, "__self__", Plugin)

        def callback(context: click.Context, option: click.Option, sources: tuple[str, ...]) -> Any:  # noqa: ANN401
            settings = sdk_callback(context, option, ())
            properties, prefix = plugin.all_settings(), self.variable_prefix
            settings.config = settings_of(sources, properties, prefix)
            for name, schema in properties.items():
                if schema.get("secret"):
                    conceal(str(settings.config.get(name) or "").strip())
            if "ENV" not in sources:
                self._unread = tuple(unread_variables(settings.config, properties, prefix))
            return settings

        return callback


class OneLineGroup(OneLineCommand, click.Group):
    """A command with subcommands; each failure is reported in one line."""


@contextmanager
def _named_broken_pipe() -> Iterator[None]:
    """Raise our own error for a broken pipe, because click exits silently."""
    try:
        yield
    except BrokenPipeError as error:
        msg = (
            "the program that reads our output closed the pipe before everything was written; if "
            "it is a loader, see its own messages"
        )
        raise ReaderStoppedError(msg) from error


def _require_stdout() -> None:
    """Refuse to run where Python found stdout closed."""
    if sys.stdout is None:
        msg = "stdout is closed; send it to a loader, a file or /dev/null"
        raise ClosedOutputError(msg)


def _give_up_unwritten() -> None:
    """Drop output that cannot be written, because at exit it would fail again."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        discard_stdout()


def _line_about(error: BaseException, variable_prefix: str) -> tuple[str, ErrorKind]:
    """Return one line about an exception, and what it is about.

    The text of an unexpected one may quote a patient or a token, so only its type and place are
    shown.
    """
    if isinstance(error, BookioError):
        return str(error), error.kind
    if isinstance(error, click.Abort):
        return "interrupted", ErrorKind.STOPPED
    problems = getattr(error, "errors", None)
    if isinstance(problems, list) and problems:
        lines = (_settings_problem(str(problem), variable_prefix) for problem in problems)
        return "; ".join(dict.fromkeys(lines)), ErrorKind.SETTINGS
    if isinstance(error, OSError) and (line := _file_problem(error)):
        return line, ErrorKind.FILES
    if _passed_through(error, STREAM_MAPS_MODULE):
        return _stream_map_problem(error), ErrorKind.STREAM_MAPS
    if isinstance(error, MemoryError):
        line = "not enough memory; provide more, or lower max_concurrency and page_size"
    else:
        line = f"unexpected {place_of(error)}; please report this line"
    return line, ErrorKind.UNEXPECTED


def _file_problem(error: OSError) -> str | None:
    """Return which file failed, or that stdout did: our own files have names."""
    if error.filename and error.strerror:
        return f"{error.filename} cannot be used: {error.strerror}"
    if error.errno in _DISK_ERRORS:
        return (
            f"output cannot be written: {error.strerror}; check the file or disk that stdout goes "
            "to, then run again"
        )
    return None


def _stream_map_problem(error: BaseException) -> str:
    """Return which map failed, without its expression, which may hold a secret."""
    names = [name for name in failed_stream_map(error) or () if name and name.isidentifier()]
    where = f" for {'.'.join(names)}" if names else ""
    return (
        f"stream_maps failed{where} ({type(error).__name__}); correct its expressions and "
        "names; if a field can be null or missing, write "
        "md5(email) if record.get('email') else None"
    )


def _passed_through(error: BaseException, module: str) -> bool:
    frames = walk_tb(error.__traceback__)
    return any(frame.f_globals.get("__name__") == module for frame, _ in frames)


def _settings_problem(problem: str, variable_prefix: str) -> str:
    """Return a problem with a setting, without its value, which may be a misplaced secret."""
    if missing := _REQUIRED.fullmatch(problem):
        variable = f"{variable_prefix}{missing[1].upper()}"
        return (
            f"{missing[1]} is missing; set {variable} and add --config ENV, or put it into a file"
        )
    if invalid := _INVALID.fullmatch(problem):
        return f"the setting {invalid[2]} {invalid[1]}"
    return problem


def _checked_json(_: click.Context, option: click.Parameter, file: IO[str] | None) -> Any:  # noqa: ANN401
    """Return the content of a file; the error for one that is not JSON names the option."""
    if file is None:
        return None
    binary = getattr(file, "buffer", None)
    content = file.read() if binary is None else binary.read()
    return io.StringIO(json.dumps(parse_json(content, f"--{option.name} {file.name}")))
