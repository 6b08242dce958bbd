"""From one clinic to 10,000: what shards of tap-bookio need, by simulation.

``python -m bench.scale`` in the repository's root prints the tables; they are the same on every
machine. ``--check`` runs real processes against the sandbox and compares them with the simulation.
``--write`` puts either into docs/design/scale.md. ``--measure`` prints what the simulation takes
for granted. The last two take minutes, and a quiet machine.
"""

from __future__ import annotations

import argparse
import math
import random
import re
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from functools import cache
from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple

from bench import scale_runs
from bench.simulation import Clinic, Costs, Part, Result, Setting, simulate
from bookio_shards.assignment import assign

PAGE = Path(__file__).parent.parent / "docs/design/scale.md"
COSTS = Costs(start_s=0.40, question_s=0.0023, page_s=0.00068, row_s=0.000012)
"""Measured with ``--measure`` on 2026-11-28: Python 3.11, 2 CPUs that others used as well."""
PROCESS_MIB, LISTED_MIB, CLINIC_MIB = 48, 0.002, 0.015
"""Peak memory of a process, and what is added by each clinic that the token sees, and by each that
the process reads; measured the same way, as are the sizes below."""
STATE_BYTES = 300
"""Of one clinic in a state: two bookmarks."""
JOURNAL_BYTES = 550
"""Of one reservation in the mirror of target-bookio's journal."""
FACILITY_BYTES = 350
"""Of one row in the list of facilities, which each shard asks for."""
STATES_A_RUN = 100
"""STATE messages with all bookmarks of a shard: 50 for each of two streams."""

SEED = 1
RESERVATIONS, SPREAD = 1500, 0.7
"""Median of a clinic's reservations, and the standard deviation of their logarithm: our guess."""
BLOCKED_TIMES, CALENDARS = range(20, 201), range(1, 7)
CHANGES_AN_HOUR, BLOCKS_AN_HOUR = 3, 0.2
"""What changes in a clinic in a working hour: our guess."""
LATENCY_S = 0.1
BUDGET = 20.0
"""Requests per second that all shards together may start; Bookio's limit is not known (U)."""


Clinics = dict[int, Clinic]
"""What a run brings of each clinic, by its id."""


class Scale(NamedTuple):
    """How many clinics are read with how many shards and slots."""

    clinics: int
    shards: int
    slots: int


SCALES = (
    Scale(1, 1, 1),
    Scale(10, 1, 1),
    Scale(100, 4, 4),
    Scale(1_000, 16, 4),
    Scale(10_000, 64, 4),
)
SHOWN_MINUTES = 0.1
BUDGETS = (None, 20.0, 8.0)


def clinics_of(count: int) -> Clinics:
    """Return clinics as large as chance makes them, by their ids."""
    rng, normal = random.Random(SEED), NormalDist(math.log(RESERVATIONS), SPREAD)
    return {
        1000 + number: Clinic(
            # By fifties, for each length of a list is scanned once to count its requests.
            50 * math.ceil(math.exp(normal.inv_cdf(rng.random())) / 50),
            rng.choice(BLOCKED_TIMES),
            rng.choice(CALENDARS),
        )
        for number in range(count)
    }


def everything(clinics: Clinics) -> Clinics:
    """Return what a first load reads."""
    return clinics


def quiet_hour(clinics: Clinics) -> Clinics:
    """Return what an hourly run reads where nothing changed; calendars are always listed."""
    return {key: Clinic(0, 0, clinic.calendars) for key, clinic in clinics.items()}


def busy_hour(clinics: Clinics) -> Clinics:
    """Return what an hourly run reads of a working hour: each minute may bring a change."""
    rng = random.Random(SEED)

    def changed(an_hour: float) -> int:
        return sum(rng.random() < an_hour / 60 for _ in range(60))

    return {
        key: Clinic(changed(CHANGES_AN_HOUR), changed(BLOCKS_AN_HOUR), clinic.calendars)
        for key, clinic in clinics.items()
    }


class Calendars(Enum):
    """Who reads the calendars; the value is a cell of the table."""

    APART = "in one task, as in the Airflow DAG"
    IN_SHARDS = "in each shard"
    NOT_NOW = "in another run, once a day"


def in_shards(clinics: Clinics, shards: int) -> list[list[Clinic]]:
    """Return the clinics of each shard, split as bookio-shards splits them."""
    return [[clinics[key] for key in ids] for ids in assign(clinics, shards).values()]


@cache
def run(
    scale: Scale,
    what: Callable[[Clinics], Clinics],
    budget: float | None = BUDGET,
    calendars: Calendars = Calendars.APART,
) -> Result:
    """Simulate one run of all shards; ``what`` it brings is one of the functions above."""
    clinics = what(clinics_of(scale.clinics))
    if scale.shards == 1:
        calendars = Calendars.IN_SHARDS
    apart = [Part([*clinics.values()], reads_changes=False)]
    parts = [
        *(apart if calendars is Calendars.APART else ()),
        *(
            Part(each, reads_calendars=calendars is Calendars.IN_SHARDS)
            for each in in_shards(clinics, scale.shards)
        ),
    ]
    setting = Setting(scale.slots, LATENCY_S, budget, is_first_load=what is everything)
    return simulate(parts, setting, COSTS)


def scale_table() -> str:
    """Return what a first load and an hourly run take, by the number of clinics."""
    rows = []
    for scale in SCALES:
        clinics = clinics_of(scale.clinics)
        shards = f"{scale.shards}, {scale.slots}"
        first, quiet, busy = (run(scale, what) for what in (everything, quiet_hour, busy_hour))
        cells = [f"{scale.clinics:,}", shards, f"{first.requests:,}", f"{rows_of(clinics):,}"]
        cells += [minutes(first), f"{quiet.requests:,}", minutes(quiet)]
        changed = rows_of(busy_hour(clinics))
        rows.append([*cells, f"{busy.requests:,}", f"{changed:,}", minutes(busy)])
    heads = ["clinics", "shards, slots", "first load: requests", "rows", "minutes"]
    heads += ["quiet hour: requests", "minutes", "busy hour: requests", "rows", "minutes"]
    return table(heads, rows)


def budget_table() -> str:
    """Return how long the largest scale takes, by the API's budget."""
    rows = []
    for budget in BUDGETS:
        first, quiet = (run(SCALES[-1], what, budget) for what in (everything, quiet_hour))
        limit = "no limit" if budget is None else f"{budget:g}"
        rows.append([limit, f"{first.seconds / 3600:.1f}", minutes(quiet)])
    return table(["requests per second", "first load, hours", "quiet hour, minutes"], rows)


def calendars_table() -> str:
    """Return what an hourly run of the largest scale costs, by who reads the calendars."""
    rows = []
    for calendars in Calendars:
        quiet = run(SCALES[-1], quiet_hour, calendars=calendars)
        rows.append([calendars.value, f"{quiet.requests:,}", minutes(quiet)])
    return table(["calendars are read", "quiet hour: requests", "minutes"], rows)


def size_table() -> str:
    """Return what a scale needs of memory, network and disk: measured sizes, multiplied."""
    rows = []
    for scale in SCALES:
        clinics = clinics_of(scale.clinics)
        largest = max(map(len, in_shards(clinics, scale.shards)))
        quiet = run(scale, quiet_hour)
        states_mb = scale.clinics * STATE_BYTES * STATES_A_RUN / 1e6
        rows.append(
            [
                f"{scale.clinics:,}",
                f"{24 * quiet.requests:,}",
                f"{PROCESS_MIB + scale.clinics * LISTED_MIB + largest * CLINIC_MIB:.0f}",
                f"{largest * STATE_BYTES / 1e3:,.1f}",
                f"{states_mb:,.1f}",
                f"{scale.shards * scale.clinics * FACILITY_BYTES / 1e6:,.1f}",
                f"{rows_of(clinics) * JOURNAL_BYTES / 1e6:,.1f}",
            ]
        )
    heads = ["clinics", "requests a day, all quiet", "MiB a shard", "KB in a shard's state"]
    heads += ["MB of STATE a run", "MB of facility lists a run"]
    return table([*heads, "MB in all journals of a write-back"], rows)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of numbers in Markdown."""
    lines = [heads, ["---:"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def rows_of(clinics: Clinics) -> int:
    """Return how many reservations and blocked times change or are read for the first time."""
    return sum(clinic.reservations + clinic.blocked_times for clinic in clinics.values())


def minutes(result: Result) -> str:
    """Return how long a run took."""
    found = result.seconds / 60
    return f"{found:,.1f}" if found >= SHOWN_MINUTES else f"< {SHOWN_MINUTES}"


TABLES = {
    "by clinics": scale_table,
    "by budget": budget_table,
    "by calendars": calendars_table,
    "sizes": size_table,
}


def marked(name: str, text: str, page: str) -> str:
    """Return a page with this text between the marks of that name."""
    mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    return mark.sub(lambda found: f"{found[1]}{text}\n{found[2]}", page)


def written(page: str) -> str:
    """Return a page with all of its simulated tables made again."""
    for name, make in TABLES.items():
        page = marked(name, make(), page)
    return page


def main() -> None:
    """Do what the options say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/design/scale.md")
    parser.add_argument("--check", action="store_true", help="compare with real processes")
    parser.add_argument("--measure", action="store_true", help="print the costs of this machine")
    options = parser.parse_args()
    page = PAGE.read_text()
    if options.measure:
        print(scale_runs.measure())
    elif options.check:
        found = scale_runs.check(COSTS)
        print(found)
        page = marked("checked", found, page)
    elif options.write:
        page = written(page)
    else:
        print(*(make() for make in TABLES.values()), sep="\n\n")
    if options.write:
        PAGE.write_text(page)


if __name__ == "__main__":
    main()
