"""Random histories of records, human edits and faults: Bookio ends as the last record says, or a
person's change is kept; nothing is booked twice and no patient is notified twice."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bookio_sandbox.running import in_thread
from target_bookio.reader import input_lines
from target_bookio.target import TargetBookio
from tests.cli import Target, singer_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookio_sandbox.running import Sandbox

PEOPLE = 3
RESEND_AFTER_S = 0.2
DAYS = [f"2027-01-{day:02}T10:00:00" for day in (4, 5, 6)]
LOST = [
    None,
    None,
    {"drop": "reset", "apply": True},
    {"drop": "reset"},
    {"status": 500, "apply": True},
    {"code": 666},
    {"drop": "reset", "lands_after": 0.1},
    {"status": 408, "lands_after": 0.05},
]

LISTS = [
    {},
    {"list_lag": 0.05},
    {"hide": ["externalId"]},
    {"hide_written_numbers": True},
    {"last_sync_misses_writes": True},
]
TRUE_LISTS = {
    "list_lag": 0,
    "hide": [],
    "hide_written_numbers": False,
    "last_sync_misses_writes": False,
}

people = st.integers(0, PEOPLE - 1)
wishes = st.fixed_dictionaries(
    {"person": people, "day": st.sampled_from(DAYS)},
    optional={"status": st.sampled_from(["CONFIRMED", "CANCELLED"]), "gone": st.just(1)},
)
events = st.one_of(
    st.tuples(st.just("run"), st.lists(wishes, min_size=1, max_size=5), st.sampled_from(LOST)),
    st.tuples(st.just("edit"), people, st.sampled_from(DAYS)),
    st.tuples(st.just("replay"), st.none(), st.none()),
    st.tuples(st.just("behave"), st.sampled_from(LISTS), st.none()),
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with in_thread(seed=1, capacity_check=False, duplicate_check=False) as sandbox:
        yield sandbox


def is_off(record: dict[str, Any]) -> bool:
    return bool(record.get("_sdc_deleted_at") or record["status"] == "CANCELLED")


class History:
    """The history of one account."""

    number = 0

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        History.number += 1
        self.base = History.number * 100
        self.sandbox, self.target = sandbox, Target(sandbox, folder)
        self.last: list[dict[str, Any]] = []
        self.edited: set[int] = set()
        self.unsure: set[int] = set()
        """Numbers with a reject for a write whose outcome cannot be determined."""

    def record(self, wish: dict[str, Any]) -> dict[str, Any]:
        gone = {"_sdc_deleted_at": "2026-11-01T00:00:00Z"} if "gone" in wish else {}
        return self.target.booking(
            self.base + wish["person"], dateFrom=wish["day"], status=wish.get("status"), **gone
        )

    def run(self, records: list[dict[str, Any]], lost: dict[str, Any] | None) -> None:
        for operation in (
            "create_reservation",
            "change_reservation_status",
            "change_reservation_term",
        ):
            if lost:
                self.sandbox.script(operation, lost)
        settings = {**self.target.settings, "resend_after_seconds": RESEND_AFTER_S}
        target = TargetBookio(config=settings, parse_env_config=False)
        lines = io.StringIO(singer_lines("reservations", records))
        with contextlib.redirect_stdout(io.StringIO()), target.open_run() as run:
            target.read(run, input_lines(lines))
        self.sandbox.control("/script", method="DELETE")
        self.last = records
        rejects = self.target.rejected() if self.target.rejects.exists() else []
        in_doubt = (line["key"] for line in rejects if line.get("reason") == "in_doubt")
        self.unsure.update(key["externalId"] for key in in_doubt)

    def rows(self) -> dict[int, dict[str, Any]]:
        ours = range(9_000_000 + self.base, 9_000_000 + self.base + PEOPLE)
        rows = [r for r in self.sandbox.rows("reservations") if r["externalId"] in ours]
        assert len(rows) == len({row["externalId"] for row in rows}), "booked twice"
        return {row["externalId"]: row for row in rows}

    def edit(self, person: int, day: str) -> None:
        if row := self.rows().get(9_000_000 + self.base + person):
            self.sandbox.change("reservations", row["id"], dateFrom=day)
            self.edited.add(row["externalId"])

    def writes(self) -> int:
        return sum(request["method"] != "GET" for request in self.sandbox.requests())

    def cancellations(self) -> Counter[int]:
        keys = {row["id"]: key for key, row in self.rows().items()}
        mails = [mail for mail in self.sandbox.emails() if mail["kind"] == "CANCELLED"]
        return Counter(keys[m["reservationId"]] for m in mails if m["reservationId"] in keys)

    def check(self) -> None:
        rows = self.rows()
        final = {record["externalId"]: record for record in self.last}
        for key, record in final.items():
            if key in self.unsure:
                continue  # a person was asked to check
            if is_off(record):
                kept = record.get("_sdc_deleted_at") and key in self.edited  # a conflict
                assert kept or key not in rows or rows[key]["status"] == "CANCELLED"
            elif key not in self.edited:
                assert rows[key]["dateFrom"] == record["dateFrom"]
                assert record["status"] in {None, rows[key]["status"]}


@pytest.mark.slow
@settings(
    max_examples=25,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(story=st.lists(events, min_size=1, max_size=6))
def test_after_any_history_bookio_has_what_the_source_asked_for(
    sandbox: Sandbox, story: list[Any]
) -> None:
    """Whatever is lost, late, hidden or edited: nothing twice; the last record or a conflict."""
    sandbox.behave(**TRUE_LISTS)
    with TemporaryDirectory() as folder:
        history = History(sandbox, Path(folder))
        for kind, what, more in story:
            if kind == "edit":
                history.edit(what, more)
                continue
            if kind == "behave":
                sandbox.behave(**TRUE_LISTS | what)
                continue
            before = history.cancellations()
            records = [history.record(wish) for wish in what] if kind == "run" else history.last
            history.run(records, more)
            wished = Counter(r["externalId"] for r in records if is_off(r))
            assert history.cancellations() - before <= wished, "cancelled twice"
            history.check()
            again = history.writes()
            history.run(records[-1:], None)
            assert history.edited or history.writes() == again, "the same wish again writes nothing"
