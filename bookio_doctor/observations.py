"""What a survey saw, as `judgements` reads it. Nothing here changes once it is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from bookio_api.contract import FACILITIES, MAX_PAGE_SIZE, RESERVATIONS, RESOURCES
from bookio_api.errors import AuthError, PermissionDeniedError, UnknownPathError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bookio_api.contract import Operation
    from bookio_doctor.answers import Answer, Reply, Row


class TimedRow(NamedTuple):
    """A row that shows when it changed."""

    id: int
    field: str
    moment_ms: int
    is_change: bool = False
    """Whether the moment is later than the row's creation, so that it was changed then."""


@dataclass(frozen=True, slots=True)
class ListSeen:
    """What came of the search for one list."""

    configured: Operation
    """With the method and path of the setting ``endpoint_overrides``, or of the contract."""
    answers: tuple[Answer, ...]
    """One for each path that was asked, in order."""

    @property
    def operation(self) -> str:
        """Its name in the contract."""
        return self.configured.name

    @property
    def answer(self) -> Answer:
        """The answer that counts.

        1. The first that is a list; its path is the right one.
        2. The first that is anything but an unknown path: it says the most.
        3. The first of all.
        """
        listed = [answer for answer in self.answers if answer.has_list]
        known = [a for a in self.answers if not isinstance(a.error, UnknownPathError)]
        return (listed or known or self.answers)[0]

    @property
    def works(self) -> bool:
        """Whether tap and target can read the list, at some path."""
        return self.answer.rows is not None

    @property
    def path(self) -> str | None:
        """Where the list is, ``None`` if no path leads to one."""
        return self.answer.operation.path if self.answer.has_list else None

    @property
    def is_as_configured(self) -> bool:
        """Whether the list is where the settings or, without them, the contract say."""
        return self.path == self.configured.path and self.configured.method == "GET"

    @property
    def is_forbidden(self) -> bool:
        """Whether the token may not read it; alone, code 20 means that, too (C)."""
        return isinstance(self.answer.error, PermissionDeniedError | AuthError)

    @property
    def is_token_refused(self) -> bool:
        """Whether the answer may mean that the token is invalid."""
        return isinstance(self.answer.error, AuthError)

    @property
    def rows(self) -> list[Row]:
        """The rows of its first page."""
        return self.answer.rows or []

    @property
    def total(self) -> object:
        """``pagination.total`` of its first page, as it came."""
        return self.answer.total


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """Answers of the list of reservations; ``None`` for what was not asked."""

    largest: Answer | None = None
    """With the largest ``limit``; only asked if ``page_size`` is smaller."""
    limit_zero: Answer | None = None
    limit_ten: Answer | None = None
    second_half: Answer | None = None
    """With ``offset`` in the middle of the first page, at `middle`."""
    middle: int = 0
    following: Answer | None = None
    """With ``offset`` at the end of the first page, or of the largest one."""
    beyond_end: Answer | None = None
    again: Answer | None = None
    """The first page, a second time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """Reservations of one day."""

    day: str = ""
    """The day that the date filters were asked for; empty if no row has one."""
    on_day: Answer | None = None
    """With both filters on that day."""
    until_day: Answer | None = None
    """With the first filter on the day before, and the last on that day."""
    since_day: Answer | None = None
    """With the first filter on that day, and the last on the day after."""
    next_day: Answer | None = None
    """With both filters on the day after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastSync:
    """Reservations by ``lastSync``."""

    answers: Mapping[str, Answer] = field(default_factory=dict)
    """By question: all, old, future, seconds, recent, before, at, after."""
    recent_since_ms: int = 0
    """The ``lastSync`` of the question ``recent``."""
    future_ms: int = 0
    """The ``lastSync`` of the question ``future``."""
    timed_row: TimedRow | None = None
    """The row whose own time the last three questions are about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What was seen of one Bookio."""

    lists: Mapping[str, ListSeen]
    """By operation."""
    overrides: Mapping[str, str]
    """The setting ``endpoint_overrides``."""
    page_size: int = MAX_PAGE_SIZE
    facility: Row | None = None
    """The facility whose lists were looked at; ``None`` if the token may not list them."""
    impossible: Answer | None = None
    """The answer to an invalid filter value."""
    paging: Paging = Paging()
    ranges: Ranges = Ranges()
    last_sync: LastSync = LastSync()
    replies: tuple[Reply, ...] = ()
    """Every response, in the order of the requests."""
    connections: int = 0
    """How many connections they took."""
    requests_per_second: float | None = None
    """The setting of that name."""
    unanswered: tuple[str, ...] = ()
    """Why questions after the lists got no answer, each reason once."""
    ended: str = ""
    """Why nothing more was sent; empty if everything was asked."""

    @property
    def facilities(self) -> ListSeen:
        """The list that works without a facility."""
        return self.lists[RESOURCES[FACILITIES].list_operation]

    @property
    def reservations(self) -> ListSeen:
        """The list that most questions are about."""
        return self.lists[RESOURCES[RESERVATIONS].list_operation]

    @property
    def right_overrides(self) -> dict[str, str]:
        """What to keep of ``endpoint_overrides``: all but the lists that are not there."""
        lists = self.lists
        return {
            name: value
            for name, value in self.overrides.items()
            if name not in lists or lists[name].is_as_configured
        }

    def rows(self, operation: str) -> list[Row]:
        """Return the rows of a list that came with its first page."""
        return self.lists[operation].rows

    @property
    def is_token_refused(self) -> bool:
        """Whether every list that answered refuses the token."""
        answered = [seen for seen in self.lists.values() if not seen.answer.is_unanswered]
        return bool(answered) and all(seen.is_token_refused for seen in answered)
