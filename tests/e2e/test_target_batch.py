"""BATCH files, and lines of the input that cannot be used as they are."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli import Run, Target, by_external_id, run, singer_lines

if TYPE_CHECKING:
    from pathlib import Path

    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox

NUMBER = 9_000_000
SCHEMA: dict[str, Any] = {
    "type": "SCHEMA",
    "stream": "reservations",
    "schema": {"properties": {}},
    "key_properties": [],
}


@pytest.fixture
def clinic(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(size=20, seed=5, capacity_check=False, duplicate_check=False)


def send(target: Target, *messages: dict[str, Any] | str) -> Run:
    lines = (line if isinstance(line, str) else json.dumps(line) for line in messages)
    return run("target-bookio", *target.command()[1:], stdin="".join(f"{li}\n" for li in lines))


def send_batch(
    target: Target, file: Path, content: bytes, form: str = "jsonl", compression: str = "none"
) -> Run:
    file.write_bytes(content)
    batch = {
        "type": "BATCH",
        "stream": "reservations",
        "encoding": {"format": form, "compression": compression},
        "manifest": [file.as_uri()],
    }
    return send(target, SCHEMA, batch, {"type": "STATE", "value": {"done": 1}})


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_broken_byte_in_a_batch_file_rejects_only_its_record(
    target: Target, clinic: Sandbox, tmp_path: Path, compression: str
) -> None:
    """A BATCH file is read like the input: the other records are written, and STATE follows."""
    lines = [json.dumps(target.booking(n, note=f"n{n}ok")) for n in range(3)]
    content = "\n".join([*lines, "", ""]).encode().replace(b"n1ok", b"n\xe1ok")
    packed = gzip.compress(content) if compression == "gzip" else content
    done = send_batch(target, tmp_path / "records", packed, compression=compression)
    assert done.code == 3, done.stderr
    [line] = target.rejected()
    assert (line["key"], line["fields"]) == ({"externalId": NUMBER + 1}, ["note"])
    assert "line 2 of the BATCH file records is not UTF-8 in note" in line["message"]
    assert {NUMBER, NUMBER + 2} <= by_external_id(clinic).keys()
    assert NUMBER + 1 not in by_external_id(clinic)
    assert json.loads(done.stdout) == {"done": 1}


@pytest.mark.parametrize(
    ("content", "encoding", "message"),
    [
        (b'{"externalId": 1, "name": "Ja', ("jsonl", "none"), "line 1 of the BATCH file records"),
        (b'{}\n"x"\n', ("jsonl", "none"), "line 2 of the BATCH file records"),
        (b"PAR1", ("parquet", "none"), "the format parquet"),
        (gzip.compress(b"{}" * 99)[:-9], ("jsonl", "gzip"), "not complete gzip"),
        (b"{}", ("jsonl", "gzip"), "not complete gzip"),
    ],
    ids=["torn", "no object", "parquet", "torn gzip", "not gzip"],
)
def test_an_unusable_batch_file_is_reported_in_one_line(
    target: Target, tmp_path: Path, content: bytes, encoding: tuple[str, str], message: str
) -> None:
    done = send_batch(target, tmp_path / "records", content, *encoding)
    assert (done.code, done.stdout) == (1, "")
    [error] = done.errors
    assert message in error
    assert "unexpected" not in error


@pytest.mark.parametrize("value", ["9" * 5_000, "[" * 3_000 + "]" * 3_000], ids=["huge", "deep"])
def test_a_value_that_cannot_be_decoded_rejects_only_its_record(
    target: Target, clinic: Sandbox, value: str
) -> None:
    """A number of 5,000 digits, or a nesting of 3,000 levels, does not stop a run."""
    records = [target.booking(0, serviceId="@"), target.booking(1)]
    lines = singer_lines("reservations", records).replace('"@"', value)
    done = run("target-bookio", *target.command()[1:], stdin=lines)
    assert done.code == 3, done.stderr
    [line] = target.rejected()
    assert (line["key"], line["fields"]) == ({"externalId": NUMBER}, ["serviceId"])
    assert NUMBER + 1 in by_external_id(clinic)


@pytest.mark.parametrize(
    "line",
    [
        {**SCHEMA, "schema": None},
        {**SCHEMA, "schema": {"properties": None}},
        {**SCHEMA, "stream": None},
        '{"type": "STATE", "value": ' + "9" * 5_000 + "}",
    ],
    ids=["schema", "properties", "stream", "state"],
)
def test_a_message_of_the_wrong_shape_is_reported_in_one_line(
    target: Target, line: dict[str, Any] | str
) -> None:
    done = send(target, line)
    assert (done.code, done.stdout) == (1, "")
    [error] = done.errors
    assert "line 1 of the input has a" in error


def test_a_retention_beyond_any_calendar_is_refused(target: Target) -> None:
    done = target([], retention_days=10**12)
    assert done.code == 1
    [error] = done.errors
    assert "retention_days" in error
