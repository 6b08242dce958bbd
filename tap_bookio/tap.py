"""tap-bookio: settings, streams, catalog and state, and how a run ends."""

from __future__ import annotations

import json
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, ClassVar

import click
from singer_sdk.tap_base import CliTestOptionValue

from bookio_api.errors import ErrorKind
from bookio_api.schemas import stream_schema
from bookio_singer.command import FAILED, OneLineCommand
from bookio_singer.sdk import ConfigInput, SingerTap
from tap_bookio.catalog import adapt_entry, read_catalog
from tap_bookio.output.block_writer import BlockWriter
from tap_bookio.records.privacy import without_omitted
from tap_bookio.run import Run
from tap_bookio.settings import SETTINGS, problems_of
from tap_bookio.state_check import check_state
from tap_bookio.streams import (
    BlockedTimesStream,
    CalendarsStream,
    FacilitiesStream,
    ReservationsStream,
    ScansStream,
)

if TYPE_CHECKING:
    from singer_sdk import Stream
    from singer_sdk.singerlib import Catalog

    from tap_bookio.paged_stream import PagedStream

STREAMS: tuple[type[FacilitiesStream | CalendarsStream | PagedStream], ...] = (
    FacilitiesStream,
    CalendarsStream,
    ReservationsStream,
    BlockedTimesStream,
)
NAMES: tuple[str, ...] = (*(vars(stream)["name"] for stream in STREAMS), ScansStream.name)
"""All streams that a state or catalog may name, even if ``scan_log`` is off."""


class TapBookio(SingerTap):
    """Singer tap for the Bookio Medical Public API."""

    name = "tap-bookio"
    package_name = "singer-bookio"
    message_writer_class = BlockWriter
    _signals = 0
    """How many came; only `on_signal` counts them."""
    config_jsonschema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "required": ["auth_token"],
        "properties": dict(SETTINGS),
    }

    @cached_property
    def run(self) -> Run:
        """What the streams of this run share."""
        return Run(self.config)

    def discover_streams(self) -> list[Stream]:
        """Return all streams, without a request to Bookio."""
        optional = [ScansStream] if self.config.get("scan_log") else []
        return [stream(self, self.run) for stream in (*STREAMS, *optional)]

    @cached_property
    def input_catalog(self) -> Catalog | None:
        """The catalog of ``--catalog``, changed by the rules in catalog.py."""
        catalog, mode = super().input_catalog, self.config["personal_data"]
        streams = {stream.name: stream for stream in self.discover_streams()}
        for entry in catalog.streams if catalog else ():
            if stream := streams.get(entry.tap_stream_id):
                own = stream_schema(stream.name)
                listed = without_omitted(entry.schema.to_dict(), own, mode)
                adapt_entry(entry, listed, stream)
        return catalog

    def load_state(self, state: dict[str, Any]) -> None:
        """Refuse a state that this tap cannot have written.

        A state that holds nothing is still emitted before the first record: target-duckdb takes
        the first STATE that it sees for one whose records are loaded already.
        """
        check_state(state, NAMES)
        super().load_state(state)
        bookmarks = self.state.setdefault("bookmarks", {})
        for stream in state.get("bookmarks", {}):
            bookmarks.setdefault(stream, {})  # which the SDK drops if it is empty

    def close(self) -> None:
        """Write pending output; close connections and threads."""
        self.run.close()
        if isinstance(self.message_writer, BlockWriter):
            self.message_writer.flush()

    def warn_of_empty_selection(self) -> None:
        """Warn that a run reads nothing, and why."""
        if not any(stream.selected for stream in self.streams.values()):
            self.logger.warning(
                "The catalog deselects every stream, so nothing is read; set selected to true in "
                "the metadata of one, or select it in meltano.yml"
            )

    def settings_problems(self) -> list[str]:
        """Check what JSON Schema cannot: dates, zones, addresses, what cannot go together."""
        return problems_of(self.config)

    def on_signal(self, signum: int) -> None:
        """Ask nothing more: every proven STATE has already been emitted."""
        self._signals += 1
        # Closing takes locks, and a second handler runs inside the first one, which may hold them.
        if self._signals > 1:
            return
        line = f"stopped by signal {signum}; the next run continues from the last STATE"
        self.logger.error(ErrorKind.STOPPED.with_page(line))
        self.run.client.close()

    def end_process(self) -> None:
        """Exit, after the lines that are being written."""
        if isinstance(self.message_writer, BlockWriter):
            self.message_writer.whole_lines.end_process()
        else:
            super().end_process()

    @classmethod
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: ConfigInput | None = None,
        state: IO[str] | None = None,
        catalog: IO[str] | None = None,
    ) -> int:
        """Sync as the SDK does, then report the errors of lists that failed."""
        if about:
            cls.print_about(about_format)
            return 0
        options = config or ConfigInput()
        tap = cls(
            config=options.config,
            state=_read_state(state) if state else None,
            catalog=read_catalog(catalog, NAMES) if catalog else None,
            parse_env_config=options.parse_env,
        )
        tap.warn_of_empty_selection()
        try:
            tap.sync_all()
        finally:
            tap.close()
            problems = tap.run.problems.lines()
            for line in problems:
                tap.logger.error(line)
        return FAILED if problems else 0

    @classmethod
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        """Check which lists respond, without showing rows: the quick part of bookio-doctor."""
        if value != CliTestOptionValue.All.value:
            super().cb_test(ctx, param, value)
            return
        options = ctx.params.get("config") or ConfigInput()
        from bookio_doctor.quick import check_lists  # noqa: PLC0415 - only --test needs it

        tap = cls(config=options.config, parse_env_config=options.parse_env)
        checks = check_lists(tap.config)
        for check in checks:
            click.echo(check.line, err=True)
        if not all(check.works for check in checks):
            ctx.exit(FAILED)
        try:
            _ = tap.run.facilities.in_scope  # facility_ids may name one that the token cannot see
        finally:
            tap.close()
        ctx.exit(0)

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the command line, which reports every failure in one line."""
        return OneLineCommand.like(super().get_singer_command(), cls.logger)


def _read_state(file: IO[str]) -> dict[str, Any]:
    state: dict[str, Any] = json.load(file)
    if not state:  # which the SDK would treat as missing
        check_state(state, {})
    return state
