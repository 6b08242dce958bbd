"""Every private or internal name of singer-sdk that our packages use, each with its reason.

Plugins, streams and sinks derive from the classes below and override their public hooks; no other
module knows a private name. ``SEAMS`` lists the names and ``SOURCE_SEAMS`` pieces of source
as read in ``READ_IN``; tests/unit/test_sdk.py compares them with the singer-sdk that is installed.
"""

from __future__ import annotations

import copy
import gzip
import logging
import sys
from contextlib import nullcontext
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, cast

from singer_sdk import BatchSink, Stream, Tap, Target
from singer_sdk.contrib.msgspec import MsgSpecReader, MsgSpecWriter, encoder, serialize_jsonl
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers._batch import StorageTarget
from singer_sdk.mapper import CustomStreamMap, SameRecordTransform, StreamMap
from singer_sdk.plugin_base import PluginBase, _ConfigInput
from singer_sdk.singerlib.encoding.simple import Message, RecordMessage

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
    from types import FrameType

    from singer_sdk.helpers._batch import BaseBatchFileEncoding, BatchConfig
    from singer_sdk.singerlib.encoding.base import GenericSingerWriter
    from singer_sdk.sinks import Sink
else:  # for annotations elsewhere; nothing of the private module runs
    BaseBatchFileEncoding = BatchConfig = Any

READ_IN = "0.54.9"
"""The release of singer-sdk whose source the reasons below were checked against."""

STREAM_MAPS_MODULE = CustomStreamMap.__module__
"""Applies ``stream_maps``, passes on errors of an expression, and logs under this name."""


def failed_stream_map(error: BaseException) -> tuple[str, str | None] | None:
    """Return the stream and field whose map raised an exception; None for any other one.

    The SDK's own message names neither; both are local variables of what carries out a map.
    """
    found: tuple[str, str | None] | None = None
    for frame, _ in walk_tb(error.__traceback__):
        values = frame.f_locals
        stream = getattr(values.get("self"), "stream_alias", None)
        if frame.f_globals.get("__name__") == STREAM_MAPS_MODULE and stream:
            field = values.get("property_name") or values.get("prop_key")
            found = (stream, field or (found[1] if found else None))
    return found


ConfigInput = _ConfigInput
"""What the ``--config`` callback passes to ``invoke``: the settings of all files."""

__all__ = [
    "READ_IN",
    "SEAMS",
    "SOURCE_SEAMS",
    "STREAM_MAPS_MODULE",
    "BaseBatchFileEncoding",
    "BatchConfig",
    "ConfigInput",
    "Message",
    "MsgSpecWriter",
    "Plugin",
    "RecordMessage",
    "Seam",
    "SingerReader",
    "SingerSink",
    "SingerStream",
    "SingerTap",
    "SingerTarget",
    "SourceSeam",
    "encoder",
    "failed_stream_map",
    "serialize_jsonl",
]


class Plugin(PluginBase):
    """The hooks that a tap and a target share."""

    @classmethod
    def all_settings(cls) -> dict[str, dict[str, Any]]:
        """Return the properties of the settings' JSON Schema, with those that the SDK adds."""
        schema = copy.deepcopy(cls.config_jsonschema)
        cls.append_builtin_config(schema)
        properties: dict[str, dict[str, Any]] = schema["properties"]
        return properties

    def settings_problems(self) -> list[str]:
        """Return what is wrong with the settings in a way that JSON Schema cannot see."""
        return []

    def on_signal(self, signum: int) -> None:
        """Prepare for the end of the process."""

    def end_process(self) -> None:
        """End the process with code 1 after a signal; a writer may put the end off."""
        sys.exit(1)

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        errors = super()._validate_config(raise_errors=raise_errors)
        problems = self.settings_problems() if raise_errors else []
        if problems:
            raise ConfigValidationError("settings", errors=problems)
        return errors

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.on_signal(signum)
        self.end_process()


class SingerTap(Plugin, Tap):
    """A tap with public hooks."""


class SingerStream(Stream):
    """A stream whose bookmark is not taken from its records."""

    emit_activate_version_messages = False
    """The SDK sends ACTIVATE_VERSION before the rows; ours follows a complete read."""
    is_writing = True
    """Whether the sync under way writes RECORD messages; for BATCH files it writes none."""

    @property
    def message_writer(self) -> GenericSingerWriter[Any, Message]:
        """Where the messages of this stream go."""
        return self._tap.message_writer

    @property
    def record_version(self) -> int | None:
        """The ``version`` of the records, which ACTIVATE_VERSION names."""
        return self._stream_version

    @record_version.setter
    def record_version(self, version: int) -> None:
        self._stream_version = version

    @property
    def passes_records_unchanged(self) -> bool:
        """Whether the SDK would write records unchanged: nothing deselected, mapped or removed."""
        return (
            self.selected
            and all(self.mask.values())
            and [type(stream_map) for stream_map in self.stream_maps] == [SameRecordTransform]
            and not self.config.get("flattening_enabled")
            and self.get_batch_config(self.config) is None
            and self.ABORT_AT_RECORD_COUNT is None
        )

    def activate_version(self, version: int) -> None:
        """Write ACTIVATE_VERSION, so that loaders drop the rows of other versions."""
        self._write_activate_version_message(version)

    def promote_bookmark(self, state: dict[str, Any]) -> None:
        """Make the bookmark in the state of this stream or partition final.

        The next STATE has it: `write_state`, or the SDK's own at the end of the stream.
        """
        self._finalize_state(state)

    def write_state(self) -> None:
        """Write STATE if a bookmark was promoted since the last one."""
        self._write_state_message()

    def log(self, message: str, *args: Any, level: int = logging.INFO, **kwargs: Any) -> None:  # noqa: ANN401
        """Log, except for a failed sync: the command line reports that, with the reason."""
        level = logging.DEBUG if message.startswith(FAILED_SYNC) else level
        super().log(message, *args, level=level, **kwargs)

    def before_records(self) -> None:
        """Prepare for the records; SCHEMA has been written."""

    def sync_partition(self, context: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
        """Sync the records of one partition, and yield those that the SDK has to write."""
        yield from super()._sync_records(context, write_messages=self.is_writing)

    def _sync_records(
        self, context: Mapping[str, Any] | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        """Sync one partition after the other, so that each has its own counter and timer.

        The records are read for BATCH files alone, for which the SDK would forget selection,
        stream maps and flattening: they are those that RECORD messages would hold.
        """
        self.is_writing = write_messages
        self.before_records()
        partitions = [context] if context else self.partitions
        for partition in [None] if partitions is None else partitions:
            for record in self.sync_partition(partition):
                if write_messages:
                    yield record
                else:
                    yield from (
                        message.record for message in self._generate_record_messages(record)
                    )

    def _increment_stream_state(
        self, latest_record: dict[str, Any], *, context: Mapping[str, Any] | None = None
    ) -> None:
        """Do nothing: a bookmark is the time of our request, not of a record."""


FAILED_SYNC = "An unhandled error occurred while syncing"
"""Start of the message that the SDK logs, without a reason, before it re-raises."""


class SingerReader(MsgSpecReader):
    """Reads Singer messages."""

    def on_unknown_message(self) -> NoReturn:
        """Refuse a message of an unknown type; the SDK's own error would quote it."""
        raise NotImplementedError

    def _process_unknown_message(self, message_dict: dict[str, Any]) -> NoReturn:  # noqa: ARG002
        self.on_unknown_message()


class SingerTarget(Plugin, Target):
    """A target with a hook before and after each kind of message."""

    def active_sink(self, stream_name: str) -> Sink | None:
        """Return the sink that takes the records of this stream now."""
        return self._sinks_active.get(stream_name)

    def accept_record(self, message: dict[str, Any]) -> bool:  # noqa: ARG002
        """Look at a RECORD message; ``False`` keeps it from its sink."""
        return True

    def after_state(self) -> None:
        """Continue after a STATE message; nothing has been drained for it."""

    def before_batch(self) -> None:
        """Prepare for a BATCH message."""

    def emit_state(self, state: dict[str, Any]) -> None:
        """Write a state to stdout; all records before it have been drained."""
        super()._write_state_message(state)

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        if self.accept_record(message_dict):
            super()._process_record_message(message_dict)

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        super()._process_state_message(message_dict)
        self.after_state()

    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        self.before_batch()
        super()._process_batch_message(message_dict)

    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        """Ignore it: what is missing from a stream is never deleted from Bookio."""

    def _write_state_message(self, state: dict[str, Any]) -> None:
        self.emit_state(state)


class SingerSink(BatchSink):
    """A sink that accepts records unchecked, because the plan checks them."""

    validate_schema = False

    def _parse_timestamps_in_record(self, *_: Any, **__: Any) -> None:  # noqa: ANN401
        """Do not parse times: their meaning depends on the offset."""

    def _after_process_record(self, context: dict[str, Any]) -> None:
        """Do not log the record, as the SDK does at DEBUG."""

    def _singer_validate_message(self, record: dict[str, Any]) -> None:
        """Accept a record without the ``id`` of the schema's key: it may go by ``externalId``."""

    def _remove_sdc_metadata_from_record(self, record: dict[str, Any]) -> None:
        """Keep ``_sdc_deleted_at``, which marks a row as removed."""

    def batch_records(self, file: str, lines: Iterable[bytes]) -> list[dict[str, Any]]:
        """Return the records of the lines of a BATCH file."""
        raise NotImplementedError

    def process_batch_files(self, encoding: BaseBatchFileEncoding, files: Sequence[str]) -> None:
        """Process BATCH files; the SDK would end the run at the first byte that is not UTF-8."""
        storage = self.batch_config.storage if self.batch_config else None
        for path in files:
            if encoding.format != "jsonl":
                super().process_batch_files(encoding, [path])
                continue
            folder, name = StorageTarget.split_url(path)
            with (storage or StorageTarget.from_url(folder)).open(name, mode="rb") as file:
                is_gzip = encoding.compression == "gzip"
                with gzip.open(file) if is_gzip else nullcontext(file) as lines:
                    records = self.batch_records(name, cast("Iterable[bytes]", lines))
            self.record_counter_metric.increment(len(records))
            self.process_batch({"records": records})


class Seam(NamedTuple):
    """A private or internal name of singer-sdk."""

    owner: Any
    """The class or module that has it."""
    name: str
    parameters: str
    """Names of a function's parameters; empty where it is not a function."""
    reason: str


_PER_RECORD = "whole pages bypass it, so it must leave unselected, unmapped records unchanged"

SEAMS: tuple[Seam, ...] = (
    Seam(_ConfigInput, "__init__", "self, config, parse_env", "it passes the settings to invoke"),
    Seam(
        PluginBase,
        "_validate_config",
        "self, *, raise_errors",
        "we add the checks that JSON Schema cannot make",
    ),
    Seam(
        PluginBase,
        "_handle_termination",
        "self, signum, frame",
        "the SDK would drain and emit a STATE at SIGTERM",
    ),
    Seam(
        PluginBase,
        "append_builtin_config",
        "config_jsonschema",
        "it adds the settings of the SDK to ours",
    ),
    Seam(
        Stream,
        "_sync_records",
        "self, context, *, write_messages",
        "each partition is counted, and BATCH files have the same records as RECORD messages",
    ),
    Seam(
        Stream,
        "_increment_stream_state",
        "self, latest_record, *, context",
        "the SDK would take the bookmark from a record",
    ),
    Seam(
        Stream,
        "_write_activate_version_message",
        "self, full_table_version",
        "we send it after the rows, the SDK before them",
    ),
    Seam(
        Stream,
        "_finalize_state",
        "self, state",
        "a bookmark moves only after a complete scan",
    ),
    Seam(
        Stream,
        "_write_state_message",
        "self",
        "a STATE holds all bookmarks, so not every facility can have its own",
    ),
    Seam(Stream, "_process_record", "self, record, child_context, partition_context", _PER_RECORD),
    Seam(Stream, "_generate_record_messages", "self, record", _PER_RECORD),
    Seam(Stream, "_write_record_message", "self, record", _PER_RECORD),
    Seam(Stream, "post_process", "self, row, context", _PER_RECORD),
    Seam(SameRecordTransform, "transform", "self, record", _PER_RECORD),
    Seam(RecordMessage, "to_dict", "self", _PER_RECORD),
    Seam(
        MsgSpecReader,
        "_process_unknown_message",
        "self, message_dict",
        "the SDK quotes the message, including patient data",
    ),
    Seam(
        Target,
        "_process_record_message",
        "self, message_dict",
        "we count records between two STATE messages",
    ),
    Seam(Target, "_process_state_message", "self, message_dict", "the SDK drains nothing for it"),
    Seam(Target, "_process_batch_message", "self, message_dict", "the SDK drains nothing for it"),
    Seam(
        Target,
        "_process_activate_version_message",
        "self, message_dict",
        "the SDK would delete rows",
    ),
    Seam(
        Target,
        "_write_state_message",
        "self, state",
        "a dry run emits no STATE, and no STATE is repeated",
    ),
    Seam(
        BatchSink,
        "_parse_timestamps_in_record",
        "self, record, schema, treatment",
        "the SDK would parse times and drop offsets",
    ),
    Seam(BatchSink, "_after_process_record", "self, context", "the SDK logs each record"),
    Seam(BatchSink, "_singer_validate_message", "self, record", "the SDK asks for every key"),
    Seam(
        BatchSink,
        "_remove_sdc_metadata_from_record",
        "self, record",
        "the SDK removes _sdc_deleted_at",
    ),
    Seam(
        StorageTarget,
        "split_url",
        "url",
        "BATCH files are read line by line, because a broken byte must affect only its record",
    ),
    Seam(StorageTarget, "from_url", "url", "it finds the folder of a BATCH file"),
    Seam(StorageTarget, "open", "self, filename, mode", "it opens a BATCH file"),
    Seam(encoder, "encode_lines", "", "it encodes a whole page"),
)
"""Names that a class or a module has."""


class SourceSeam(NamedTuple):
    """A variable, an attribute or a text that we rely on in a function of singer-sdk."""

    function: Any
    """The function, or a module."""
    source: str
    """A piece of its source."""
    reason: str


_FAILED_MAP = "an error of a stream map names the stream and the field"

SOURCE_SEAMS: tuple[SourceSeam, ...] = (
    SourceSeam(StreamMap.__init__, "self.stream_alias = stream_alias", _FAILED_MAP),
    SourceSeam(CustomStreamMap._eval, "property_name: str | None", _FAILED_MAP),  # noqa: SLF001
    SourceSeam(
        CustomStreamMap._init_functions_and_schema,  # noqa: SLF001
        "for prop_key, prop_def in list(stream_map.items())",
        _FAILED_MAP,
    ),
    SourceSeam(
        CustomStreamMap._init_functions_and_schema,  # noqa: SLF001
        "for prop_key, prop_def, prop_def_parsed in stream_map_parsed",
        _FAILED_MAP,
    ),
    SourceSeam(
        sys.modules[STREAM_MAPS_MODULE],
        "logger = logging.getLogger(__name__)",
        "the SDK logs the results of stream maps, which are patient data, under this name",
    ),
    SourceSeam(Stream.sync, FAILED_SYNC, "the command line reports a failed sync, with the reason"),
    SourceSeam(Stream.__init__, "self._tap = tap", "our writer is that of the tap"),
    SourceSeam(
        Stream.__init__,
        "self._stream_version: int | None = None",
        "the version of the records is set before the first one",
    ),
    SourceSeam(
        Stream._generate_record_messages,  # noqa: SLF001
        "version=self._stream_version",
        "RECORD messages contain the version that ACTIVATE_VERSION names",
    ),
    SourceSeam(
        Target.__init__,
        "self._sinks_active: dict[str, Sink] = {}",
        "we ask whether a stream has a sink",
    ),
)
"""Local variables, attributes of instances, and texts."""
