"""target-bookio: settings, streams, and the end of a run."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, cast

import click
from singer_sdk.exceptions import SingerSDKError
from singer_sdk.singerlib.exceptions import SingerReadError

from bookio_api.errors import BookioError, SettingsError
from bookio_api.facilities import Facilities
from bookio_api.localtime import zone
from bookio_singer.command import OneLineCommand
from bookio_singer.sdk import ConfigInput, SingerTarget
from bookio_singer.settings import client_from
from target_bookio.apply.reconciler import Delivery
from target_bookio.apply.resolver import Settler
from target_bookio.apply.row_queue import Ledger
from target_bookio.apply.sender import Sender
from target_bookio.field_names import shown_name
from target_bookio.journal.account import Account
from target_bookio.journal.database import Database
from target_bookio.journal.store import Journal
from target_bookio.private_files import own_files
from target_bookio.reader import LineReader, ParsedLine, input_lines, replayed_lines
from target_bookio.refresh.lookup import Lookup
from target_bookio.reporting.outcome import Outcome, OutcomeKind
from target_bookio.reporting.rejects import Rejects
from target_bookio.reporting.report import Report
from target_bookio.reporting.results import Results
from target_bookio.reporting.run_stamp import RunStamp
from target_bookio.settings import SETTINGS
from target_bookio.sinks import BookioSink
from target_bookio.stream_names import resource_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_sdk import Sink

RECORDS_PER_STATE = 5000
"""After so many records, the next STATE has all before it delivered, so that it may leave."""
REJECTED = 3
"""Exit code of a run that did all it could, and rejected records."""


class TargetBookio(SingerTarget):
    """Singer target for the Bookio Medical Public API."""

    name = "target-bookio"
    package_name = "singer-bookio"
    default_sink_class = BookioSink
    message_reader_class = LineReader
    _stopped = False
    config_jsonschema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "required": ["auth_token"],
        "properties": dict(SETTINGS),
    }

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - the SDK's own
        """Take what the SDK passes."""
        super().__init__(**kwargs)
        self.max_parallelism = 1  # a stream at a time; delivery has threads of its own
        self._closing = ExitStack()
        self._records_since_state = 0
        self._state_that_left: dict[str, Any] | None = None

    def open(self, *, read_only: bool = False) -> None:
        """Check the connection, open journal and rejects, settle what an earlier run left.

        Raises:
            BookioError: nothing has been written.
        """
        settings, closing = self.config, self._closing
        read_only = read_only or settings["dry_run"]
        files = own_files(settings, create=not read_only)
        self.client = client_from(settings)
        closing.callback(self.client.close)
        facilities = Facilities(self.client, settings)
        ids = ", ".join(str(f.id) for f in facilities.in_scope if f.id is not None)
        self.logger.info("the token is good; facilities %s", ids or "not listed")
        account = Account(
            self.client.api_url, settings["auth_token"], settings.get("previous_auth_token")
        )
        journal = Journal(Database(files.journal, account, keep=not read_only))
        closing.callback(journal.close)
        if (days := settings.get("retention_days")) and not read_only:
            journal.forget_before(days)
        stamp = RunStamp()
        rejects = Rejects(
            files.rejects,
            stamp=stamp,
            digest=journal.digest,
            include_records=settings["rejects_include_records"],
            retention_days=days,
            read_only=read_only,
        )
        closing.callback(rejects.close)
        results = Results(None if read_only else files.results, stamp)
        closing.callback(results.close)
        self.report = Report(rejects, results, settings)
        closing.callback(self.report.close)
        self._make(facilities, journal)
        if not read_only:
            self.settler.settle_left_over()

    def _make(self, facilities: Facilities, journal: Journal) -> None:
        """Make what carries records out."""
        settings, closing = self.config, self._closing
        executor = ThreadPoolExecutor(settings["max_concurrency"], thread_name_prefix="write")
        closing.callback(executor.shutdown, cancel_futures=True)
        ledger = Ledger(journal)
        lookup = Lookup(self.client, facilities, executor, settings["max_concurrency"])
        sender = Sender(
            client=self.client,
            ledger=ledger,
            report=self.report,
            executor=executor,
            concurrency=settings["max_concurrency"],
        )
        self.settler = Settler(lookup=lookup, ledger=ledger, report=self.report, sender=sender)
        self.delivery = Delivery(
            facilities=facilities,
            lookup=lookup,
            ledger=ledger,
            report=self.report,
            sender=sender,
            settler=self.settler,
            settings=settings,
        )

    def close(self) -> None:
        """Let what is on its way land, and close everything."""
        self._closing.close()

    def get_sink(self, stream_name: str, **kwargs: Any) -> Sink:  # noqa: ANN401 - the SDK's own
        """Return the sink of a stream, if Bookio takes writes of it."""
        resource_of(stream_name)
        before = self.active_sink(stream_name)
        sink = super().get_sink(stream_name, **kwargs)
        if before is not None and sink is not before:  # the schema changed: keep the order
            self.drain_one(before)
        return sink

    @property
    def _at(self) -> ParsedLine:
        """The line of the input that is at hand."""
        reader: Any = self.message_reader
        at: ParsedLine = reader.at
        return at

    def read(self, messages: Iterable[ParsedLine]) -> None:
        """Read to the end of the input.

        Raises:
            BookioError: the input is no Singer stream, or the run cannot go on.
        """
        try:
            self.listen(cast("Any", messages))  # the reader takes parsed lines
        except (SingerSDKError, SingerReadError) as error:
            msg = f"line {self._at.number} of the input cannot be used ({type(error).__name__})"
            raise SettingsError(msg) from None

    def accept_record(self, message: dict[str, Any]) -> bool:
        """Count records, so that a STATE is not held back indefinitely."""
        if not isinstance(message.get("record"), dict):
            msg = f"line {self._at.number} of the input has no record"
            raise SettingsError(msg)
        if self._at.broken_fields:
            self._reject_broken(message)
            return False
        self._records_since_state += 1
        return True

    def _reject_broken(self, message: dict[str, Any]) -> None:
        """Reject a record whose line is not UTF-8: its values cannot be trusted."""
        fields = tuple(map(shown_name, self._at.broken_fields))
        stream = str(message.get("stream"))
        aliases = [
            stream_map.stream_alias for stream_map in self.mapper.stream_maps.get(stream, ())
        ]
        self.report.add(
            Outcome(
                kind=OutcomeKind.REJECTED,
                stream=resource_of(aliases[0] if aliases else stream),
                record=message["record"],
                message=(
                    f"line {self._at.number} of the input is not UTF-8 in {', '.join(fields)}; "
                    "write it as UTF-8"
                ),
                fields=fields,
            )
        )
        self.report.check_limits()

    def after_state(self) -> None:
        """Now and then deliver all that came before a STATE, so that it may leave."""
        if self._records_since_state >= RECORDS_PER_STATE:
            self._records_since_state = 0
            self.drain_all()

    def before_batch(self) -> None:
        """Deliver what came before it first, to keep the order of a row's records."""
        self.drain_all()

    def emit_state(self, state: dict[str, Any]) -> None:
        """Let a STATE leave once, unless nothing was written for it."""
        if not self.config["dry_run"] and state != self._state_that_left:
            self.report.commit()
            self._state_that_left = state
            super().emit_state(state)

    def settings_problems(self) -> list[str]:
        """Check what JSON Schema cannot."""
        try:
            zone(self.config["default_timezone"])
            client_from(self.config).close()
        except BookioError as error:
            return [str(error)]
        return []

    def on_signal(self, signum: int) -> None:
        """Send nothing more, let what is on its way land, and let no STATE leave."""
        self.logger.error("stopped by signal %d; run again with the last STATE", signum)
        if "client" in self.__dict__:
            (self.client.close if self._stopped else self.client.stop)()  # twice: do not wait
        self._stopped = True

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
        """Write what comes in; exit 3 if some of it was rejected."""
        if about:
            cls.print_about(about_format)
            return
        given = config or ConfigInput()
        target = cls(config=given.config, parse_env_config=given.parse_env)
        try:
            target.open(read_only=test)
            if not test:
                target.read(replayed_lines(Path(replay)) if replay else input_lines(file_input))
        finally:
            target.close()
        if target.report.counts["rejected"]:
            sys.exit(REJECTED)

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the command line, whose every failure is one line."""
        command = super().get_singer_command()
        command.params += [
            click.Option(["--test"], is_flag=True, help="Check token and files; write nothing."),
            click.Option(["--replay"], help="Write the records of a reject file, once repaired."),
        ]
        return OneLineCommand.like(command, cls.logger, writes=True)
