"""Rows of a warehouse go back to Bookio as what they are: the same moments, Bookio's own names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from tests.cli import Run, Tap, Target, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox

TAP_WAREHOUSE = str(Path(__file__).parents[2] / "tap_warehouse")
DUCKDB_TYPES = {"integer": "HUGEINT", "number": "DOUBLE", "boolean": "BOOLEAN",
                "array": "JSON", "object": "JSON"}  # fmt: skip
STREAMS = ("calendars", "reservations", "blocked_times")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


@pytest.fixture
def query(file: Path, tmp_path: Path) -> Callable[..., Run]:
    """Return the tap of the file; settings by name, the rest are queries by stream."""

    def ask(
        *options: str,
        naive_timestamps: str | None = None,
        expected_columns: dict[str, str] | None = None,
        **queries: str,
    ) -> Run:
        config: dict[str, Any] = {"filepath": str(file), "queries": queries}
        if naive_timestamps is not None:
            config["naive_timestamps"] = naive_timestamps
        if expected_columns is not None:
            config["expected_columns"] = expected_columns
        (tmp_path / "tap_warehouse.json").write_text(json.dumps(config))
        return run("python", TAP_WAREHOUSE, "--config", str(tmp_path / "tap_warehouse.json"),
                   *options)  # fmt: skip

    return ask


def load(file: Path, sync: Run) -> None:
    """Load what the tap sent as target-duckdb 0.8.0 does: lower-case names, naive UTC."""
    schemas = {m["stream"]: m["schema"] for m in sync.messages if m["type"] == "SCHEMA"}
    with duckdb.connect(str(file)) as warehouse:
        warehouse.execute("SET TimeZone = 'UTC'")
        for stream, schema in schemas.items():
            kinds = {name: column_type(field) for name, field in schema["properties"].items()}
            kinds["_sdc_deleted_at"] = "TIMESTAMP"
            columns = ", ".join(f'"{name.lower()}" {kind}' for name, kind in kinds.items())
            warehouse.execute(f"CREATE TABLE {stream} ({columns})")
            values = ", ".join(
                "?::TIMESTAMPTZ::TIMESTAMP" if kind == "TIMESTAMP" else f"?::{kind}"
                for kind in kinds.values()
            )
            for record in sync.records(stream):
                row = [as_text(record.get(name)) for name in kinds]
                warehouse.execute(f"INSERT INTO {stream} VALUES ({values})", row)  # noqa: S608


def column_type(field: dict[str, Any]) -> str:
    if field.get("format") == "date-time":
        return "TIMESTAMP"
    kinds = [field["type"]] if isinstance(field["type"], str) else field["type"]
    return next((DUCKDB_TYPES[kind] for kind in kinds if kind in DUCKDB_TYPES), "VARCHAR")


def as_text(value: object) -> object:
    return json.dumps(value) if isinstance(value, list | dict) else value


@pytest.fixture
def loaded(start_sandbox: StartSandbox, file: Path, tmp_path: Path) -> Sandbox:
    sandbox = start_sandbox(size=120, seed=11)
    load(file, Tap(sandbox, tmp_path)())
    return sandbox


def send(sandbox: Sandbox, rows: Run, folder: Path, **settings: Any) -> Run:
    assert rows.code == 0, rows.stderr
    return run("target-bookio", *Target(sandbox, folder).command(**settings)[1:],
               stdin=rows.stdout)  # fmt: skip


def writes(sandbox: Sandbox) -> list[dict[str, Any]]:
    return [request for request in sandbox.requests() if request["method"] != "GET"]


def test_what_was_loaded_and_is_sent_back_changes_nothing(loaded, query, tmp_path) -> None:
    rows = query(**{stream: f"FROM {stream}" for stream in STREAMS})
    for stream in STREAMS:
        assert len(rows.records(stream)) == len(loaded.rows(stream)) > 0
    done = send(loaded, rows, tmp_path)
    assert done.code == 0, done.stderr
    count = sum(len(rows.records(stream)) for stream in STREAMS)
    assert f"0 changed, 0 confirmed, 0 removed, {count} unchanged" in done.stderr
    assert writes(loaded) == []


def test_a_moved_term_is_moved_to_the_moment_that_the_warehouse_says(
    loaded, query, tmp_path
) -> None:
    confirmed = [r for r in loaded.rows("reservations") if r["status"] == "CONFIRMED"]
    row = max(confirmed, key=lambda r: r["dateFrom"])  # a week later it is summer or winter still
    later = "SELECT id, datefrom + INTERVAL 7 DAY AS datefrom, dateto + INTERVAL 7 DAY AS dateto"
    rows = query(reservations=f"{later} FROM reservations WHERE id = {row['id']}")
    done = send(loaded, rows, tmp_path)
    assert "1 changed" in done.stderr
    [now] = [r for r in loaded.rows("reservations") if r["id"] == row["id"]]
    assert now["dateFrom"][10:] == row["dateFrom"][10:]
    assert now["dateFrom"][:10] > row["dateFrom"][:10]


def test_utc_taken_for_local_time_would_move_them(loaded, query, tmp_path) -> None:
    select = "SELECT * FROM reservations WHERE status = 'CONFIRMED'"
    rows = query(reservations=select, naive_timestamps="facility")
    done = send(loaded, rows, tmp_path, dry_run=True)
    assert "change_reservation_term" in done.stderr


TYPES = {
    "TINYINT '1'": (1, "integer"),
    "SMALLINT '-2'": (-2, "integer"),
    "INTEGER '3'": (3, "integer"),
    "9007199254740993::BIGINT": (9007199254740993, "integer"),
    "5::HUGEINT": (5, "integer"),
    "6::UTINYINT": (6, "integer"),
    "18446744073709551615::UBIGINT": (18446744073709551615, "integer"),
    "7::DECIMAL(18, 0)": (7, "integer"),
    "1.25::DECIMAL(10, 2)": (1.25, "number"),
    "1.5::DOUBLE": (1.5, "number"),
    "0.5::FLOAT": (0.5, "number"),
    "'nan'::DOUBLE": (None, "number"),
    "true": (True, "boolean"),
    "'žltý'": ("žltý", "string"),
    "'2027-05-02T10:00:00'": ("2027-05-02T10:00:00", "string"),
    "DATE '2027-05-02'": ("2027-05-02", "string"),
    "TIME '10:30:00'": ("10:30:00", "string"),
    "TIMESTAMP '2027-05-02 10:00:00'": ("2027-05-02T10:00:00Z", "string"),
    "TIMESTAMP_NS '2027-05-02 10:00:00.5'": ("2027-05-02T10:00:00.5Z", "string"),
    "TIMESTAMP_S '2027-05-02 10:00:00'": ("2027-05-02T10:00:00Z", "string"),
    "TIMESTAMPTZ '2027-05-02 10:00:00+02'": ("2027-05-02T08:00:00Z", "string"),
    "[1, 2]": ([1, 2], "array"),
    "[{'day': 'MONDAY'}]": ([{"day": "MONDAY"}], "array"),
    "{'a': 1, 'b': 'x'}": ({"a": 1, "b": "x"}, "object"),
    "MAP {'a': 1}": ({"a": 1}, "object"),
    """'[{"id": 1}]'::JSON""": ([{"id": 1}], "array"),
    "'b8fa1a10-0000-4000-8000-000000000000'::UUID": ("b8fa1a10-0000-4000-8000-000000000000",
                                                     "string"),
    "'a'::ENUM('a', 'b')": ("a", "string"),
    "NULL": (None, "string"),
    "NULL::JSON": (None, "array"),
}  # fmt: skip


def test_every_type_of_column_becomes_json_with_its_schema(file, query) -> None:
    duckdb.connect(str(file)).close()
    columns = ", ".join(f"{value} AS c{n}" for n, value in enumerate(TYPES))
    sync = query(anything=f"SELECT {columns}")
    assert sync.code == 0, sync.stderr
    [record] = sync.records("anything")
    [schema] = [m["schema"]["properties"] for m in sync.messages if m["type"] == "SCHEMA"]
    for n, (sql, (value, kind)) in enumerate(TYPES.items()):
        assert (record[f"c{n}"], type(record[f"c{n}"])) == (value, type(value)), sql
        assert kind in schema[f"c{n}"]["type"], sql
        assert "null" in schema[f"c{n}"]["type"], sql
        assert ("format" in schema[f"c{n}"]) is str(value).endswith("Z"), sql


def test_now_works_and_says_its_offset(file, query) -> None:
    duckdb.connect(str(file)).close()
    [record] = query(anything="SELECT now() AS a, now()::TIMESTAMP AS b").records("anything")
    assert record["a"].endswith("Z")
    assert record["a"] == record["b"]


def test_wall_time_leaves_without_offset_where_the_setting_says_so(file, query) -> None:
    duckdb.connect(str(file)).close()
    select = "SELECT TIMESTAMP '2027-05-02 10:00:00' AS a, TIMESTAMPTZ '2027-05-02 10:00+02' AS b"
    [record] = query(anything=select, naive_timestamps="facility").records("anything")
    assert record == {"a": "2027-05-02T10:00:00", "b": "2027-05-02T08:00:00Z"}


def test_names_that_equal_a_field_but_for_case_are_bookio_s(file, query) -> None:
    duckdb.connect(str(file)).close()
    select = "SELECT 1 AS facilityid, 2 AS EXTERNALID, 'x' AS cancellationreason, 3 AS mine;"
    [record] = query(reservations=select).records("reservations")
    assert record == {"facilityId": 1, "externalId": 2, "cancellationReason": "x", "mine": 3}


LOADED = {"dateFrom": "was_from", "status": "was_status"}


def test_what_the_warehouse_last_read_goes_along_on_request(file, query) -> None:
    """A stale warehouse says what it knew, so target-bookio can tell that it is stale."""
    duckdb.connect(str(file)).close()
    select = "SELECT 5 AS id, 'CANCELLED' AS status, 'CONFIRMED' AS WAS_STATUS, "
    select += "TIMESTAMP '2027-05-02 10:00:00' AS was_from"
    sync = query(expected_columns=LOADED, reservations=select, others="SELECT 1 AS id")
    assert sync.code == 0, sync.stderr
    expected = {"status": "CONFIRMED", "dateFrom": "2027-05-02T10:00:00Z"}
    assert sync.records("reservations") == [
        {"id": 5, "status": "CANCELLED", "_bookio_expected": expected}
    ]
    assert sync.records("others") == [{"id": 1}]
    [schema] = [
        m["schema"]["properties"]
        for m in sync.messages
        if m["type"] == "SCHEMA" and m["stream"] == "reservations"
    ]
    assert schema.keys() == {"id", "status", "_bookio_expected"}


@pytest.mark.parametrize(
    ("columns", "said"),
    [({"note": "x"}, "note cannot be expected"), (LOADED, "does not return was_status")],
)
def test_columns_that_cannot_be_expected_are_one_line(file, query, columns, said) -> None:
    duckdb.connect(str(file)).close()
    select = "SELECT 5 AS id, TIMESTAMP '2027-05-02 10:00:00' AS was_from"
    one_line(query(expected_columns=columns, reservations=select), said)


@pytest.mark.parametrize(
    ("select", "said"),
    [
        ("SELECT * FROM wanted", "Table with name wanted does not exist"),
        ("SELEC 1", "syntax error"),
        ("SELECT nothing", 'Referenced column "nothing"'),
        ("", "returns no rows: write a SELECT"),
        ("CREATE TABLE a AS SELECT 1 AS b", "InvalidInputException"),
    ],
)
def test_a_query_that_cannot_work_is_one_line(file, query, select: str, said: str) -> None:
    duckdb.connect(str(file)).close()
    one_line(query(reservations=select), said)


def test_an_error_does_not_quote_a_row(file, query) -> None:
    with duckdb.connect(str(file)) as warehouse:
        warehouse.execute("CREATE TABLE people AS SELECT 'Kanárik' AS name")
    failed = query(reservations="SELECT name::INTEGER AS id FROM people")
    assert failed.code == 1
    assert "ConversionException" in failed.stderr
    assert "Kanárik" not in failed.stderr + failed.stdout


def test_a_file_that_is_none_is_one_line(file, query) -> None:
    one_line(query(reservations="SELECT 1"), str(file))
    file.write_text("no database " * 1000)
    one_line(query(reservations="SELECT 1"), "not a valid DuckDB database file")


def one_line(failed: Run, said: str) -> None:
    assert failed.code == 1
    [line] = failed.errors
    assert said in line
    assert "Traceback" not in failed.stderr
