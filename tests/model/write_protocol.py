"""The write protocol as a model: every order of events, breadth first, for the shortest trace.

Rules are those of docs/design/write-back.md, by number. The server, the network, the person and the
killer do what they like within their budgets; the client keeps the rules that are switched on.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

LANDING = 2
"""A write lands within this many ticks after its connection ended, or never."""
LAG = 1
"""A list shows the state of at most this many ticks ago."""


class Rule(Enum):
    """A rule that can be left out."""

    FROM_THE_END = (
        "2: a doubt is counted from the end of the attempt; after a kill, from the restart"
    )
    COVERS_LAG = "3: resend_after_seconds covers landing and lag together"
    WAIT = "3: a list decides that a write never landed only resend_after_seconds later"
    HOLD = "6: in the window of a row an old value is neither judged nor written"
    SENT_FIRST = "12: SENT is committed before the first byte"
    TOUCHED = "15: a row that was touched since SENT does not prove that nothing landed"


ALL_RULES = frozenset(Rule)


class Wish(Enum):
    """What the source asks for, in every run again."""

    BOOK = auto()
    CANCEL = auto()


class Phase(Enum):
    """Where the client is in its run."""

    LOOKING = auto()
    """The next thing is a list."""
    SENDING = auto()
    """It has decided to write; a pause may come here."""
    ENDED = auto()


class Row(NamedTuple):
    """What a list shows of our row."""

    is_as_wished: bool = False
    changed_at: int = -1


class World(NamedTuple):
    """Everything: server, network, journal and the client's memory."""

    now: int = 0
    row: Row = Row()
    earlier: tuple[Row, ...] = (Row(),) * LAG
    """What lists may still show, the latest first."""
    flying: tuple[int, ...] = ()
    """Until when each write that got no answer may land."""
    landed: int = 0
    """How often the request was carried out: rows created, or e-mails sent."""
    phase: Phase = Phase.LOOKING
    sent_at: int | None = None
    """In the journal: an intent is open."""
    ended_at: int | None = None
    """In the journal: when its attempt ended."""
    confirmed_at: int | None = None
    """In the journal: when the wish was confirmed; the window runs from here."""
    reported: bool = False
    """The outcome was reported for a person to check."""
    losses: int = 1
    kills: int = 1
    people: int = 1
    runs: int = 1

    @property
    def trouble(self) -> tuple[int, int, int]:
        """How much of what can cause a conflict is left."""
        return self.losses, self.kills, self.people


class Broken(NamedTuple):
    """A broken guarantee, and how it was broken."""

    promise: str
    trace: tuple[str, ...]


class Model:
    """The protocol with some of its rules."""

    def __init__(
        self, wish: Wish, rules: frozenset[Rule] = ALL_RULES, *, ticks: int = 9, trouble: int = 1
    ) -> None:
        """Try a wish; time ends after so many ticks.

        There are as many lost answers, kills, later runs and people's acts as ``trouble`` says.
        """
        self._first = World(losses=trouble, kills=trouble, people=trouble, runs=trouble)
        self._wish = wish
        self._rules = rules
        self._ticks = ticks
        self._resend_after = LANDING + (LAG if Rule.COVERS_LAG in rules else 0)
        self.worlds = 0
        """Number of different states seen."""
        self.resolved = 0
        """Number of states in which a lost response was resolved."""

    def check(self) -> Broken | None:
        """Try every order; return the shortest that breaks a guarantee."""
        came_from: dict[World, tuple[World, str] | None] = {self._first: None}
        queue = deque([self._first])
        while queue:
            world = queue.popleft()
            self.worlds += 1
            is_good = world.landed == 1 and not world.reported
            self.resolved += (
                is_good and world.losses < self._first.losses and world.phase is Phase.ENDED
            )
            for event, following in self._next(world):
                if following in came_from:
                    continue
                came_from[following] = (world, event)
                if promise := self._broken_promise(following):
                    return Broken(promise, _trace(came_from, following))
                queue.append(following)
        return None

    def _broken_promise(self, world: World) -> str:
        if world.landed > 1:
            return "booked twice" if self._wish is Wish.BOOK else "a second e-mail"
        if world.reported and world.trouble == self._first.trouble:
            return "a conflict that nobody made"
        if world.phase is Phase.ENDED and not world.landed and not world.reported:
            return "a wish is lost silently"
        return ""

    def _next(self, world: World) -> Iterator[tuple[str, World]]:
        """Yield the possible next events."""
        if world.now < self._ticks:
            yield (
                "a tick",
                world._replace(
                    now=world.now + 1,
                    earlier=(world.row, *world.earlier)[:LAG],
                    flying=tuple(until for until in world.flying if until > world.now),
                ),
            )
        for place in range(len(world.flying)):
            flying = world.flying[:place] + world.flying[place + 1 :]
            yield "a write lands late", _landed(world._replace(flying=flying))
        if self._wish is Wish.CANCEL and world.row.is_as_wished and world.people:
            undone = Row(is_as_wished=False, changed_at=world.now)
            yield "a person takes it back", world._replace(row=undone, people=world.people - 1)
        if world.phase is Phase.LOOKING:
            for lag, row in enumerate((world.row, *world.earlier)):
                yield f"a list that is {lag} late is read", self._judge(world, row)
        if world.phase is Phase.SENDING:
            yield from self._send(world)
        if world.phase is Phase.ENDED and world.runs:
            yield "the next run", world._replace(phase=Phase.LOOKING, runs=world.runs - 1)

    def _judge(self, world: World, row: Row) -> World:
        """Return what the client makes of its row in a list."""
        done = world._replace(phase=Phase.ENDED)
        if world.sent_at is not None:
            return self._resolve(world, row, world.sent_at)
        if row.is_as_wished:
            return done
        if world.confirmed_at is None:
            return world if world.reported else world._replace(phase=Phase.SENDING)
        in_window = world.now < world.confirmed_at + self._resend_after
        if in_window and Rule.HOLD in self._rules:
            return world  # late, or a person: a list after the window tells
        return done._replace(reported=True)

    def _resolve(self, world: World, row: Row, sent_at: int) -> World:
        """Return the resolution of a doubt."""
        closed = world._replace(sent_at=None, ended_at=None)
        if row.is_as_wished:
            return closed._replace(phase=Phase.ENDED, confirmed_at=world.now)
        assert world.ended_at is not None, "a doubt has an end, by then"
        if Rule.WAIT in self._rules and world.now < world.ended_at + self._resend_after:
            return world
        if Rule.TOUCHED in self._rules and row.changed_at >= sent_at:
            return closed._replace(phase=Phase.ENDED, reported=True, confirmed_at=world.now)
        return closed._replace(phase=Phase.SENDING)  # planned afresh (rule 16)

    def _send(self, world: World) -> Iterator[tuple[str, World]]:
        """Yield the outcomes of a request, after the intent was noted and a pause of any length."""
        if world.sent_at is None and Rule.SENT_FIRST in self._rules:
            yield "SENT is committed", world._replace(sent_at=world.now)
            return
        noted = {"sent_at": None, "ended_at": None}
        yield (
            "sent and answered",
            _landed(world)._replace(phase=Phase.ENDED, confirmed_at=world.now, **noted),
        )
        flying = tuple(sorted((*world.flying, world.now + LANDING)))
        sent_at = world.now if world.sent_at is None else world.sent_at
        ended_at = world.now if Rule.FROM_THE_END in self._rules else sent_at
        if world.losses:
            yield (
                "sent, and no answer",
                world._replace(
                    phase=Phase.LOOKING,
                    flying=flying,
                    losses=world.losses - 1,
                    sent_at=sent_at,
                    ended_at=ended_at,
                ),
            )
        if world.kills:
            # What is not committed is gone with the process. The restart comes at once, which is
            # the hardest time for it.
            kept = world.sent_at
            yield (
                "sent, and killed",
                world._replace(
                    phase=Phase.LOOKING,
                    flying=flying,
                    kills=world.kills - 1,
                    sent_at=kept,
                    ended_at=None if kept is None else ended_at,
                ),
            )


def _landed(world: World) -> World:
    row = Row(is_as_wished=True, changed_at=world.now)
    return world._replace(row=row, landed=world.landed + 1)


def _trace(came_from: dict[World, tuple[World, str] | None], world: World) -> tuple[str, ...]:
    """Return the events that led to a world, with their times."""
    events = []
    while (step := came_from[world]) is not None:
        world, event = step
        events.append(f"{world.now}: {event}")
    return tuple(reversed(events))
