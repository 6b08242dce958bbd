"""With any catalog SCHEMA and RECORD agree and keys are kept, or it is refused."""

from __future__ import annotations

import copy
import gzip
import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from bookio_sandbox.running import Sandbox
    from tests.cli import Run, Tap
    from tests.conftest import StartSandbox

STREAMS = ("facilities", "calendars", "reservations", "blocked_times")
Catalog = dict[str, Any]


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=40, seed=3)


@pytest.fixture
def catalog(tap: Tap) -> Catalog:
    discovered: Catalog = json.loads(tap("--discover").stdout)
    return discovered


def entry(catalog: Catalog, stream: str) -> dict[str, Any]:
    [found] = [e for e in catalog["streams"] if e["tap_stream_id"] == stream]
    return found


def with_type(catalog: Catalog, stream: str, field: str, schema: dict[str, Any]) -> Catalog:
    changed = copy.deepcopy(catalog)
    entry(changed, stream)["schema"]["properties"][field] = schema
    return changed


def deselect(catalog: Catalog, stream: str, *breadcrumb: str) -> None:
    rules = entry(catalog, stream)["metadata"]
    rules[:] = [rule for rule in rules if rule["breadcrumb"] != list(breadcrumb)]
    rules.append({"breadcrumb": list(breadcrumb), "metadata": {"selected": False}})


def schemas(synced: Run) -> dict[str, dict[str, Any]]:
    return {m["stream"]: m for m in synced.messages if m["type"] == "SCHEMA"}


def assert_agree(synced: Run) -> None:
    """Every record is valid by the SCHEMA before it."""
    assert synced.code == 0, synced.stderr
    for stream, message in schemas(synced).items():
        validator = jsonschema.Draft7Validator(message["schema"])
        for record in synced.records(stream):
            validator.validate(record)


def test_the_first_message_is_the_input_state(tap: Tap) -> None:
    """target-duckdb treats the first STATE as loaded, so it must contain nothing new."""
    first = tap()
    assert first.messages[0] == {"type": "STATE", "value": {"bookmarks": {}}}
    second = tap(state=first.state)
    assert second.messages[0] == {"type": "STATE", "value": first.state}


KEYS_OF_OTHERS: tuple[dict[str, Any], ...] = (
    {},
    {"key_properties": []},
    {"key_properties": ["email"], "replication_key": "created"},
    {"replication_method": "LOG_BASED"},
)


@pytest.mark.parametrize("changes", KEYS_OF_OTHERS, ids=str)
def test_keys_and_cursor_hold_regardless_of_the_catalog(
    tap: Tap, clinic: Sandbox, catalog: Catalog, changes: dict[str, Any]
) -> None:
    """Without its key a loader appends, and without its cursor every run reads everything."""
    for of_stream in catalog["streams"]:
        for name in ("key_properties", "replication_key", "replication_method"):
            of_stream.pop(name, None)
        of_stream["metadata"] = [{"breadcrumb": [], "metadata": {"selected": True}}]
        of_stream.update(copy.deepcopy(changes))
    first = tap(catalog=catalog)
    clinic.advance(days=1)
    since = len(clinic.requests("list_reservations"))
    assert tap(catalog=catalog, state=first.state).code == 0
    assert schemas(first).keys() == set(STREAMS)
    assert all(message["key_properties"] == ["id"] for message in schemas(first).values())
    assert schemas(first)["reservations"]["bookmark_properties"] == ["lastSync"]
    asked = [r["query"] for r in clinic.requests("list_reservations")[since:]]
    assert asked
    assert all("lastSync" in query for query in asked)


def test_full_table_in_a_catalog_reads_everything_and_deletes_nothing(
    tap: Tap, clinic: Sandbox, catalog: Catalog
) -> None:
    """FULL_TABLE is honoured, and does not imply ACTIVATE_VERSION."""
    entry(catalog, "reservations")["replication_method"] = "FULL_TABLE"
    first = tap(catalog=catalog)
    second = tap(catalog=catalog, state=first.state)
    assert len(second.records("reservations")) == len(clinic.rows("reservations"))
    assert not [m for m in first.messages + second.messages if m["type"] == "ACTIVATE_VERSION"]


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("reservations.externalId", {"type": ["string", "null"]}),
        ("reservations.externalId", {"type": "string"}),
        ("reservations.duration", {"type": ["number", "null"]}),
        ("reservations.status", {"type": "boolean"}),
        ("reservations.phone", {"type": ["integer", "null"]}),
        ("reservations.dateFrom", {"type": ["integer", "null"]}),
        ("reservations.note", {}),
        ("facilities.id", {"type": "string"}),
        ("facilities.address", {"type": "string"}),
        ("calendars.services", {"type": ["string", "null"]}),
        ("calendars.facilityId", {"type": "string"}),
    ],
    ids=str,
)
def test_a_type_overridden_in_a_catalog_is_used(
    tap: Tap, clinic: Sandbox, catalog: Catalog, path: str, schema: dict[str, Any]
) -> None:
    """Records have the types of SCHEMA, and null for values that do not fit."""
    stream, field = path.split(".")
    clinic.insert("reservations", note=None, externalId=None)
    synced = tap(catalog=with_type(catalog, stream, field, schema))
    assert_agree(synced)
    assert len(synced.records(stream)) == len(clinic.rows(stream))


@pytest.mark.parametrize(
    ("field", "schema"),
    [
        ("status", {"enum": ["CONFIRMED"], "type": "string"}),
        ("note", {"maxLength": 5, "type": "string"}),
        ("note", {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ("dateFrom", {"format": "date", "type": "string"}),
        ("id", {"type": "boolean"}),
        ("note", {"type": "null"}),
        ("note", {"type": ["null"]}),
    ],
    ids=str,
)
def test_an_unsupported_keyword_is_refused_before_the_first_request(
    tap: Tap, clinic: Sandbox, catalog: Catalog, field: str, schema: dict[str, Any]
) -> None:
    """One line names stream, field and keyword."""
    keyword = next(iter(schema))
    refused = tap(catalog=with_type(catalog, "reservations", field, schema))
    assert refused.code == 1
    [line] = refused.errors
    assert f"reservations.{field} has a {keyword!r}" in line
    assert clinic.requests() == []


def test_a_key_cannot_be_deselected(tap: Tap, catalog: Catalog) -> None:
    """key_properties name a field that every record has."""
    for stream in STREAMS:
        deselect(catalog, stream, "properties", "id")
    synced = tap(catalog=catalog)
    assert_agree(synced)
    for stream in STREAMS:
        assert "id" in schemas(synced)[stream]["schema"]["properties"]
        assert all("id" in record for record in synced.records(stream))


def test_a_key_missing_from_a_catalog_is_restored(tap: Tap, catalog: Catalog) -> None:
    """The same for a catalog whose schema has no id; other fields that it leaves out stay out."""
    of_stream = entry(catalog, "reservations")
    of_stream["schema"]["properties"] = {"note": {"type": ["string", "null"]}}
    synced = tap(catalog=catalog)
    assert_agree(synced)
    assert schemas(synced)["reservations"]["schema"]["properties"].keys() == {"id", "note"}
    assert all(record.keys() == {"id", "note"} for record in synced.records("reservations"))


def test_a_changed_stream_name_has_no_effect(tap: Tap, catalog: Catalog) -> None:
    """A catalog has two names for a stream; ours are equal, but a catalog may differ."""
    for of_stream in catalog["streams"]:
        of_stream["stream"] = "x_" + of_stream["stream"]
    synced = tap(catalog=catalog)
    assert_agree(synced)
    assert schemas(synced).keys() == set(STREAMS)
    assert "__alias__" in synced.stderr


@pytest.mark.parametrize("items", [["items"], []], ids=["with items", "without items"])
def test_a_field_inside_a_list_can_be_deselected(
    tap: Tap, catalog: Catalog, items: list[str]
) -> None:
    """The SDK looks into objects only; both ways to write such a rule work."""
    crumb = ("properties", "services", *items, "properties", "note")
    assert "note" in tap(catalog=catalog).records("calendars")[0]["services"][0], "the control"
    deselect(catalog, "calendars", *crumb)
    synced = tap(catalog=catalog)
    assert_agree(synced)
    services = schemas(synced)["calendars"]["schema"]["properties"]["services"]
    assert "note" not in services["items"]["properties"]
    assert "name" in services["items"]["properties"]
    for record in synced.records("calendars"):
        assert all("note" not in service and "name" in service for service in record["services"])


def test_a_catalog_that_deselects_everything_causes_a_message(tap: Tap, catalog: Catalog) -> None:
    """A run that reads nothing is distinguishable from one that found nothing."""
    for stream in STREAMS:
        deselect(catalog, stream)
    synced = tap(catalog=catalog)
    assert synced.code == 0
    assert "deselects every stream" in synced.stderr
    assert "deselects every stream" not in tap().stderr


BATCHES = {"encoding": {"format": "jsonl", "compression": "gzip"}}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"stream_maps": {"reservations": {"name": "md5(name)", "email": "__NULL__"}}},
        {"stream_maps": {"reservations": {"__filter__": "id % 2 == 0", "__alias__": "bookings"}}},
        {"stream_maps": {"reservations": "__NULL__"}},
        {"flattening_enabled": True, "flattening_max_depth": 3},
        {"personal_data": "omit"},
    ],
    ids=str,
)
def test_batch_files_contain_the_same_records(
    tap: Tap, catalog: Catalog, tmp_path: Path, settings: dict[str, Any]
) -> None:
    """Selection, stream maps and flattening reach the files of BATCH messages, too."""
    deselect(catalog, "reservations", "properties", "surname")
    storage = {"root": tmp_path.as_uri()}
    batched = tap(catalog=catalog, batch_config={**BATCHES, "storage": storage}, **settings)
    plain = tap(catalog=catalog, **settings)
    assert schemas(batched) == schemas(plain)
    batches = [m for m in batched.messages if m["type"] == "BATCH"]
    assert {m["stream"] for m in batches} == schemas(plain).keys()
    for stream in schemas(plain):
        rows = []
        for message in batches:
            for file in message["manifest"] if message["stream"] == stream else []:
                with gzip.open(file.removeprefix("file://"), "rt") as lines:
                    rows += [json.loads(line) for line in lines]
        assert rows == plain.records(stream)


@pytest.mark.parametrize("breadcrumb", ["x", ["x"], ["properties"], [7], None], ids=str)
def test_a_breadcrumb_that_names_no_field_is_refused(
    tap: Tap, catalog: Catalog, breadcrumb: Any
) -> None:
    """One line says which option to correct."""
    rule = {"breadcrumb": breadcrumb, "metadata": {"selected": True}}
    entry(catalog, "reservations")["metadata"].append(rule)
    refused = tap(catalog=catalog)
    assert refused.code == 1
    [line] = refused.errors
    assert "--catalog is JSON, but not a Singer catalog" in line
