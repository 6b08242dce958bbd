"""Queries of a warehouse become Singer streams, of DuckDB and of PostgreSQL alike."""

from __future__ import annotations

import json
import socket
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from demo.postgres import WITH_PASSWORD
from tests.cli import BIN, Run
from tests.warehouses import Warehouse, duckdb_warehouse, postgres_warehouse

if TYPE_CHECKING:
    from pathlib import Path

BOTH = ["duckdb", "postgres"]


@pytest.fixture(params=BOTH)
def warehouse(request: pytest.FixtureRequest) -> Warehouse:
    return request.getfixturevalue(request.param)


@pytest.fixture(name="duckdb")
def of_duckdb(tmp_path: Path) -> Warehouse:
    return duckdb_warehouse(tmp_path)


@pytest.fixture(name="postgres")
def of_postgres(tmp_path: Path, postgres_port: int) -> Warehouse:
    return postgres_warehouse(tmp_path, postgres_port)


DUCKDB_TYPES = {
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
    "'b8fa1a10-0000-4000-8000-000000000000'::UUID": (
        "b8fa1a10-0000-4000-8000-000000000000",
        "string",
    ),
    "'a'::ENUM('a', 'b')": ("a", "string"),
    "NULL": (None, "string"),
    "NULL::JSON": (None, "array"),
}
POSTGRES_TYPES = {
    "(-2)::int2": (-2, "integer"),
    "3": (3, "integer"),
    "9007199254740993::int8": (9007199254740993, "integer"),
    "7::numeric(18, 0)": (7, "integer"),
    "9007199254740993::numeric": (9007199254740993, "number"),
    "1.25::numeric(10, 2)": (1.25, "number"),
    "1.5::float8": (1.5, "number"),
    "1e300::float8": (1e300, "number"),
    "'NaN'::float8": (None, "number"),
    "'NaN'::numeric": (None, "number"),
    "'-Infinity'::float4": (None, "number"),
    "true": (True, "boolean"),
    "'žltý'": ("žltý", "string"),
    "'100 %s'::varchar(9)": ("100 %s", "string"),
    "DATE '2027-05-02'": ("2027-05-02", "string"),
    "TIME '10:30:00'": ("10:30:00", "string"),
    "TIMESTAMP '2027-05-02 10:00:00'": ("2027-05-02T10:00:00Z", "string"),
    "TIMESTAMP '2027-05-02 10:00:00.5'": ("2027-05-02T10:00:00.5Z", "string"),
    "TIMESTAMPTZ '2027-05-02 10:00:00+02'": ("2027-05-02T08:00:00Z", "string"),
    "ARRAY[1, 2]": ([1, 2], "array"),
    "ARRAY['a', NULL]": (["a", None], "array"),
    """'{"a": 1.5, "b": ["x"]}'::jsonb""": ({"a": 1.5, "b": ["x"]}, "object"),
    """'[{"day": "MONDAY"}]'::json""": ([{"day": "MONDAY"}], "array"),
    "'null'::jsonb": (None, "object"),
    "NULL::jsonb": (None, "object"),
    "'b8fa1a10-0000-4000-8000-000000000000'::uuid": (
        "b8fa1a10-0000-4000-8000-000000000000",
        "string",
    ),
    "'b'::mood": ("b", "string"),
    "'(1,x)'::pair": ({"a": 1, "b": "x"}, "object"),
    "NULL": (None, "string"),
}
OWN_TYPES = [
    "DROP TYPE IF EXISTS mood, pair",
    "CREATE TYPE mood AS ENUM ('a', 'b')",
    "CREATE TYPE pair AS (a int, b text)",
]


@pytest.mark.parametrize(
    ("warehouse", "types", "made"),
    [("duckdb", DUCKDB_TYPES, []), ("postgres", POSTGRES_TYPES, OWN_TYPES)],
    indirect=["warehouse"],
    ids=BOTH,
)
def test_every_type_of_column_becomes_json_with_its_schema(
    warehouse, types: dict[str, Any], made: list[str]
) -> None:
    warehouse.execute(*made)
    columns = ", ".join(f"{value} AS c{n}" for n, value in enumerate(types))
    sync = warehouse.tap(anything=f"SELECT {columns}")
    assert sync.code == 0, sync.stderr
    [record] = sync.records("anything")
    [schema] = [m["schema"]["properties"] for m in sync.messages if m["type"] == "SCHEMA"]
    for n, (sql, (value, kind)) in enumerate(types.items()):
        assert (record[f"c{n}"], type(record[f"c{n}"])) == (value, type(value)), sql
        assert kind in schema[f"c{n}"]["type"], sql
        assert "null" in schema[f"c{n}"]["type"], sql
        assert ("format" in schema[f"c{n}"]) is str(value).endswith("Z"), sql


def test_now_has_an_offset(warehouse) -> None:
    [record] = warehouse.tap(anything="SELECT now() AS a, now()::TIMESTAMP AS b").records(
        "anything"
    )
    assert record["a"].endswith("Z")
    assert record["a"] == record["b"]


def test_naive_timestamps_can_be_emitted_without_offset(warehouse) -> None:
    select = "SELECT TIMESTAMP '2027-05-02 10:00:00' AS a, TIMESTAMPTZ '2027-05-02 10:00+02' AS b"
    sync = warehouse.tap(settings={"naive_timestamps": "facility"}, anything=select)
    assert sync.records("anything") == [{"a": "2027-05-02T10:00:00", "b": "2027-05-02T08:00:00Z"}]


def test_column_names_match_fields_regardless_of_case(warehouse) -> None:
    select = (
        """SELECT 1 AS facilityid, 2 AS "EXTERNALID", 'x' AS "cancellationReason", 3 AS mine;"""
    )
    [record] = warehouse.tap(reservations=select).records("reservations")
    assert record == {"facilityId": 1, "externalId": 2, "cancellationReason": "x", "mine": 3}


IMPOSSIBLE = {
    "TIMESTAMP 'infinity'": None,
    "TIMESTAMPTZ '-infinity'": None,
    "DATE 'infinity'": None,
    "DATE '10000-01-01'": None,
    "(repeat('[', 1500) || repeat(']', 1500))::JSON": None,
    "(repeat('[', 101) || repeat(']', 101))::JSON": None,
    "repeat('9', 9000)::JSON": None,
    "(repeat('[', 100) || repeat(']', 100))::JSON": json.loads("[" * 100 + "]" * 100),
    "TIMESTAMP '9999-12-31 23:59:59.5'": "9999-12-31T23:59:59.5Z",
    "DATE '0001-01-01'": "0001-01-01",
}


def test_a_value_that_no_record_can_hold_is_left_empty_with_a_warning(warehouse) -> None:
    columns = ", ".join(f"{value} AS c{n}" for n, value in enumerate(IMPOSSIBLE))
    sync = warehouse.tap(anything=f"SELECT {columns} FROM (VALUES (1), (2)) AS two")  # noqa: S608
    assert sync.code == 0, sync.stderr
    wanted = {f"c{n}": value for n, value in enumerate(IMPOSSIBLE.values())}
    assert sync.records("anything") == [wanted, wanted]
    for name, value in wanted.items():
        is_reported = f"2 values of {name} were left empty" in sync.stderr
        assert is_reported is (value is None), name


@pytest.mark.parametrize(
    ("select", "expected_columns", "said"),
    [
        ("1 AS id, 2 AS b, 3 AS id", {}, "columns 1 and 3 of its query are both named id"),
        ('1 AS facilityid, 2 AS "facilityId"', {}, "1 and 2 of its query are both named facilityI"),
        ('1 AS id, 2 AS a, 3 AS "A"', {"status": "A"}, "columns 2 and 3 of its query are both"),
        ("1 AS a", {"dateFrom": "a", "dateTo": "A"}, "dateFrom and dateTo have the same column A"),
        ("1 AS _bookio_expected, 2 AS a", {"status": "a"}, "also returns _bookio_expected"),
    ],
)
def test_no_column_overwrites_another(
    warehouse, select: str, expected_columns: dict[str, str], said: str
) -> None:
    settings = {"expected_columns": expected_columns}
    one_line(warehouse.tap(settings=settings, reservations=f"SELECT {select}"), said)


def test_other_names_may_differ_in_case_alone(warehouse) -> None:
    sync = warehouse.tap(anything='SELECT 1 AS a, 2 AS "A"')
    assert sync.records("anything") == [{"a": 1, "A": 2}]


@pytest.mark.parametrize("column", ["facilityid", "facility_id"])
def test_facility_ids_limits_the_rows(warehouse, column: str) -> None:
    """Other facilities' rows are left out, rows without one counted, and none is sent twice."""
    rows = "VALUES (1, 10), (2, 20), (3, 30), (4, NULL), (5, 10)"
    select = f"SELECT id, f AS {column} FROM ({rows}) AS t(id, f)"  # noqa: S608 - our own text
    sync = warehouse.tap(settings={"facility_ids": [10, 20]}, reservations=select)
    assert sync.code == 0, sync.stderr
    assert [record["id"] for record in sync.records("reservations")] == [1, 2, 5]
    assert "reservations: 1 rows have no facilityId and were left out" in sync.stderr
    everything = warehouse.tap(reservations=select)
    assert len(everything.records("reservations")) == 5
    assert "left out" not in everything.stderr


def test_facility_ids_come_from_the_environment(warehouse) -> None:
    file = warehouse.config({"reservations": "SELECT 1 AS id, 10 AS facilityid"})
    for numbers, count in (("[10]", 1), ("[20]", 0), ("", 1), ("null", 1)):
        environment = {"TAP_WAREHOUSE_FACILITY_IDS": numbers}
        sync = run_with(file, environment)
        assert sync.code == 0, sync.stderr
        assert len(sync.records("reservations")) == count, numbers
    one_line(run_with(file, {"TAP_WAREHOUSE_FACILITY_IDS": "[]"}), "facility_ids is an empty list")


def run_with(file: Path, environment: dict[str, str]) -> Run:
    done = subprocess.run(
        [BIN / "tap-warehouse", "--config", file, "--config", "ENV"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        cwd=file.parent,
    )
    return Run(done.returncode, done.stdout, done.stderr)


def test_a_query_without_facility_is_refused_where_facilities_are_named(warehouse) -> None:
    settings = {"facility_ids": [10]}
    one_line(warehouse.tap(settings=settings, taken_over="SELECT 1 AS id"), "add it to the SELECT")


LOADED = {"dateFrom": "was_from", "status": "was_status"}


def test_last_read_values_of_the_warehouse_are_sent_on_request(warehouse) -> None:
    """A stale warehouse sends the values it knew, so target-bookio can detect that."""
    select = "SELECT 5 AS id, 'CANCELLED' AS status, 'CONFIRMED' AS WAS_STATUS, "
    select += "TIMESTAMP '2027-05-02 10:00:00' AS was_from"
    sync = warehouse.tap(
        settings={"expected_columns": LOADED}, reservations=select, others="SELECT 1 AS id"
    )
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
def test_invalid_expected_columns_are_reported_in_one_line(duckdb, columns, said) -> None:
    select = "SELECT 5 AS id, TIMESTAMP '2027-05-02 10:00:00' AS was_from"
    one_line(duckdb.tap(settings={"expected_columns": columns}, reservations=select), said)


@pytest.mark.parametrize(
    ("select", "of_duckdb", "of_postgres"),
    [
        ("SELECT * FROM wanted", "name wanted does not exist", '"wanted" does not exist'),
        ("SELEC 1", "syntax error", "syntax error"),
        ("SELECT nothing", 'column "nothing"', 'column "nothing" does not exist'),
        ("", "write a SELECT", "write a SELECT"),
        ("CREATE TABLE a AS SELECT 1 AS b", "InvalidInputException", "syntax error"),
    ],
)
@pytest.mark.parametrize("kind", BOTH)
def test_an_invalid_query_is_reported_in_one_line(
    request, kind: str, select: str, of_duckdb: str, of_postgres: str
) -> None:
    said = of_duckdb if kind == "duckdb" else of_postgres
    one_line(request.getfixturevalue(kind).tap(reservations=select), said)


def test_an_error_does_not_quote_a_row(warehouse) -> None:
    warehouse.execute(
        "DROP TABLE IF EXISTS people", "CREATE TABLE people AS SELECT 'Kanárik' AS name"
    )
    failed = warehouse.tap(reservations="SELECT name::INTEGER AS id FROM people")
    one_line(failed, "run the query in")
    assert "Kanárik" not in failed.stderr + failed.stdout


def test_an_invalid_database_file_is_reported_in_one_line(tmp_path) -> None:
    file = tmp_path / "none.duckdb"
    warehouse = Warehouse(tmp_path, {"filepath": str(file)})
    one_line(warehouse.tap(reservations="SELECT 1"), str(file))
    file.write_text("no database " * 1000)
    one_line(warehouse.tap(reservations="SELECT 1"), "not a valid DuckDB database file")


def test_a_missing_database_setting_is_reported_in_one_line(tmp_path) -> None:
    one_line(Warehouse(tmp_path, {}).tap(reservations="SELECT 1"), "TAP_WAREHOUSE_DATABASE_URL")


@pytest.mark.parametrize("name", ["", " "])
def test_a_query_without_a_stream_name_is_reported_in_one_line(duckdb, name: str) -> None:
    one_line(duckdb.tap(**{name: "SELECT 1 AS id"}), "a query in queries has no stream name")


def test_database_url_takes_precedence_over_filepath(postgres) -> None:
    """Meltano has a default for the file."""
    sync = postgres.tap(settings={"filepath": "none.duckdb"}, reservations="SELECT 1 AS id")
    assert sync.records("reservations") == [{"id": 1}]


PASSWORD = "s3cret/of-the:clinic"  # pragma: allowlist secret
IN_A_URL = "s3cret%2Fof-the%3Aclinic"  # pragma: allowlist secret


@pytest.fixture
def with_password(postgres: Warehouse, postgres_port: int) -> str:
    """Return the address of the database for a user who has to give a password."""
    postgres.execute(f"ALTER ROLE {WITH_PASSWORD} PASSWORD '{PASSWORD}'")
    return f"postgresql://{WITH_PASSWORD}{{}}@127.0.0.1:{postgres_port}/postgres"


def test_a_password_can_be_in_the_address_or_the_environment(postgres, with_password) -> None:
    in_address = {"database_url": with_password.format(f":{IN_A_URL}")}
    assert postgres.tap(settings=in_address, a="SELECT 1 AS id").records("a") == [{"id": 1}]
    alone = {"database_url": with_password.format("")}
    sync = postgres.tap(settings=alone, environment={"PGPASSWORD": PASSWORD}, a="SELECT 1 AS id")
    assert sync.records("a") == [{"id": 1}]


def test_a_failed_connection_is_reported_in_one_line_without_the_password(
    postgres, with_password
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    secret = "qJ7-wrong"  # pragma: allowlist secret
    user = f"u:{secret}"
    addresses = {
        with_password.format(f":{secret}"): "password authentication failed",
        with_password.format(""): "no password supplied",
        f"postgresql://{user}@127.0.0.1:{port}/a": "Connection refused",
        with_password.format(f":{IN_A_URL}") + "x": 'database "postgresx" does not exist',
        f"mysql://{user}@127.0.0.1/a": "write it like postgresql://",
        f"postgresql://{user}%@127.0.0.1/a": "write it like postgresql://",
        f"postgresql://{user}/{secret}@127.0.0.1/a": "percent-encoded",
        f"postgresql://{user}@{secret}@127.0.0.1/a": "percent-encoded",
    }
    for address, said in addresses.items():
        failed = postgres.tap(settings={"database_url": address}, a="SELECT 1 AS id")
        one_line(failed, said)
        assert "database_url" in failed.errors[0]
        for hidden in (secret, PASSWORD, IN_A_URL):
            assert hidden not in failed.stderr + failed.stdout


def test_a_broken_connection_is_reported_in_one_line(postgres) -> None:
    failed = postgres.tap(a="SELECT pg_terminate_backend(pg_backend_pid()) AS id")
    one_line(failed, "terminating connection")


ENDLESS = {
    "duckdb": "SELECT range AS id FROM range(1000000000000)",
    "postgres": "SELECT generate_series(1, 1000000000000) AS id",
}


@pytest.mark.parametrize("kind", BOTH)
def test_rows_are_streamed(request, kind: str) -> None:
    """The first rows of a result that fits into no memory come at once."""
    file = request.getfixturevalue(kind).config({"a": ENDLESS[kind]})
    command = [BIN / "tap-warehouse", "--config", file]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as tap:
        assert tap.stdout
        lines = [json.loads(tap.stdout.readline()) for _ in range(5000)]
        tap.stdout.close()
        assert tap.wait(60) == 1
    assert sum(line["type"] == "RECORD" for line in lines) > 4000


def one_line(failed: Run, said: str) -> None:
    assert failed.code == 1
    [line] = failed.errors
    assert said in line
    assert "Traceback" not in failed.stderr
