"""target-bookio: settings, streams, and the end of a run."""

from __future__ import annotations

import gc
import signal
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, cast

import click
from singer_sdk.exceptions import SingerSDKError
from singer_sdk.singerlib.exceptions import SingerReadError

from bookio_api.errors import BookioError, ErrorKind, SettingsError
from bookio_api.localtime import zone
from bookio_doctor.quick import check_lists
from bookio_singer.command import FAILED, OneLineCommand
from bookio_singer.sdk import ConfigInput, SingerTarget
from bookio_singer.settings import client_from, facilities_problem
from target_bookio.field_names import shown_name
from target_bookio.reader import LineReader, ParsedLine, input_lines, replayed_lines
from target_bookio.reporting.outcome import Outcome, OutcomeKind
from target_bookio.run import Run, open_run
from target_bookio.settings import SETTINGS
from target_bookio.sinks import BookioSink
from target_bookio.stream_names import resource_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextlib import AbstractContextManager
    from types import FrameType

    from singer_sdk import Sink

    from bookio_api.client import BookioClient

RECORDS_PER_STATE = 5000
"""Number of records after which the next STATE triggers delivery, so it can be emitted."""
CLOSING_SIGNAL = 2
"""The signal that aborts requests in flight; the first one waits for them."""
REJECTED = 3
"""Exit code of a completed run that rejected records."""


class TargetBookio(SingerTarget):
    """Singer target for the Bookio Medical Public API."""

    name = "target-bookio"
    package_name = "singer-bookio"
    default_sink_class = BookioSink
    message_reader_class = LineReader
    _signals = 0
    """How many came; only `on_signal` counts them."""
    config_jsonschema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "required": ["auth_token"],
        "properties": dict(SETTINGS),
    }

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - the SDK's own
        """Accept the SDK's arguments."""
        super().__init__(**kwargs)
        self.max_parallelism = 1  # one stream at a time; delivery has its own threads
        self._records_since_state = 0
        self._run: Run | None = None
        """The run that `read` feeds."""
        self._client: BookioClient | None = None
        """The client that a signal stops."""
        self._emitted_state: dict[str, Any] | None = None
        self._waiting_state: dict[str, Any] | None = None
        """The last STATE that cannot be emitted yet."""

    @property
    def run(self) -> Run:
        """The run that reads this input."""
        assert self._run is not None, "records arrive only while a run reads them"
        return self._run

    def deliver(self, stream: str, records: Iterable[Mapping[str, Any]]) -> None:
        """Carry out records that a sink has collected."""
        self.run.deliver(stream, records)

    def get_sink(self, stream_name: str, **kwargs: Any) -> Sink:  # noqa: ANN401 - the SDK's own
        """Return the sink of a stream, if it can be written to Bookio."""
        resource_of(stream_name)
        before = self.active_sink(stream_name)
        sink = super().get_sink(stream_name, **kwargs)
        if before is not None and sink is not before:  # the schema changed: keep the order
            self.drain_one(before)
        return sink

    @property
    def _at(self) -> ParsedLine:
        """The current line of the input."""
        reader: Any = self.message_reader
        at: ParsedLine = reader.at
        return at

    def read(self, run: Run, messages: Iterable[ParsedLine]) -> None:
        """Read the whole input, and carry it out; emit STATE when it is safe.

        Raises:
            BookioError: the input is not a Singer stream, or the run cannot continue.
        """
        self._run = run
        try:
            self.listen(cast("Any", messages))  # the reader takes parsed lines
        except (SingerSDKError, SingerReadError) as error:
            msg = f"line {self._at.number} of the input cannot be used ({type(error).__name__})"
            raise SettingsError(msg) from None
        run.finish()
        if self._waiting_state is not None:
            self.emit_state(self._waiting_state)

    def accept_record(self, message: dict[str, Any]) -> bool:
        """Count records, so that a STATE is not held back indefinitely."""
        if not isinstance(message.get("record"), dict):
            msg = f"line {self._at.number} of the input has no record"
            raise SettingsError(msg)
        if self._at.broken_fields:
            stream = str(message.get("stream"))
            maps = self.mapper.stream_maps.get(stream, ())
            alias = next((stream_map.stream_alias for stream_map in maps), stream)
            self.reject_broken(resource_of(alias), self._at)
            return False
        self._records_since_state += 1
        return True

    def reject_broken(self, stream: str, line: ParsedLine) -> None:
        """Reject a record with fields that cannot be read, because it cannot be trusted."""
        self.run.report.add(
            Outcome(
                kind=OutcomeKind.REJECTED,
                stream=stream,
                record=line.message["record"],
                message=line.fault,
                fields=tuple(map(shown_name, line.broken_fields)),
            )
        )
        self.run.report.check_limits()

    def after_state(self) -> None:
        """From time to time, deliver everything before a STATE, so that it can be emitted."""
        if self._records_since_state >= RECORDS_PER_STATE:
            self._records_since_state = 0
            self.drain_all()

    def before_batch(self) -> None:
        """Deliver everything before a BATCH, to keep the order of a row's records."""
        self.drain_all()

    def emit_state(self, state: dict[str, Any]) -> None:
        """Emit a STATE once, as soon as no record before it waits for an outcome."""
        if self.config["dry_run"] or state == self._emitted_state:
            return
        if not self.run.is_caught_up:
            self._waiting_state = state
            return
        self.run.books.commit()
        self._emitted_state, self._waiting_state = state, None
        super().emit_state(state)

    def settings_problems(self) -> list[str]:
        """Check what JSON Schema cannot."""
        try:
            zone(self.config["default_timezone"])
            client_from(self.config).close()
        except BookioError as error:
            return [str(error)]
        return list(filter(None, [facilities_problem(self.config)]))

    def on_signal(self, signum: int) -> None:
        """Send nothing more, wait for requests in flight, and emit no STATE."""
        self._signals += 1
        # Closing takes locks, and a third handler runs inside the second one, which may hold them.
        if self._signals > CLOSING_SIGNAL:
            return
        line = f"stopped by signal {signum}; run again with the last STATE"
        self.logger.error(ErrorKind.STOPPED.with_page(line))
        if self._client is not None:
            is_impatient = self._signals == CLOSING_SIGNAL
            (self._client.close if is_impatient else self._client.stop)()

    def handle_hangup(self) -> None:
        """Treat SIGHUP as SIGTERM, unless it is deliberately ignored (nohup)."""

        def hang_up(signum: int, _frame: FrameType | None) -> None:
            self.on_signal(signum)
            sys.exit(1)

        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, hang_up)

    def open_run(self, *, read_only: bool = False) -> AbstractContextManager[Run]:
        """Return the run of these settings, to be used in a ``with`` statement."""

        def on_open(client: BookioClient) -> None:
            self._client = client

        return open_run(self.config, read_only=read_only, on_open=on_open)

    @classmethod
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: ConfigInput | None = None,
        file_input: IO[str] | None = None,
        test: bool = False,
        replay: str | None = None,
    ) -> None:
        """Write the input; exit 3 if any record was rejected."""
        if about:
            cls.print_about(about_format)
            return
        config = config or ConfigInput()
        target = cls(config=config.config, parse_env_config=config.parse_env)
        target.handle_hangup()
        # Records and rows form no cycles, and thousands are pending at a time: a collection
        # every 700 objects, the default, would scan all of them again and again.
        gc.set_threshold(10_000, 20, 50)
        gc.freeze()  # imported modules are never freed, so collections can skip them
        with target.open_run(read_only=test) as run:
            if test:
                for permission in run.books.permissions.known():
                    target.logger.info("%s", permission)
            else:
                lines = replayed_lines(Path(replay)) if replay else input_lines(file_input)
                target.read(run, lines)
        if test:
            checks = check_lists(target.config)
            for check in checks:
                click.echo(check.line, err=True)
            if not all(check.works for check in checks):
                sys.exit(FAILED)
        if run.report.counts["rejected"]:
            sys.exit(REJECTED)

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the command line, which reports every failure in one line."""
        command = super().get_singer_command()
        command.params += [
            click.Option(
                ["--test"], is_flag=True, help="Check the token and the files; write nothing."
            ),
            click.Option(["--replay"], help="Write the records of a corrected reject file."),
        ]
        return OneLineCommand.like(command, cls.logger, writes=True)
