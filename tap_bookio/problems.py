"""Errors of a run that continues: a failed list must not stop the others."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from bookio_api.errors import (
    AuthError,
    BrokenResponseError,
    ContractError,
    ErrorKind,
    PermissionDeniedError,
    RefusedError,
    ServerError,
    UnknownPathError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LIST_IS_CLOSED = (
    AuthError,
    PermissionDeniedError,
    UnknownPathError,
    ContractError,
    RefusedError,
)
"""Bookio responds at once, and may respond differently for another list or facility."""
LIST_IS_BROKEN = (ServerError, BrokenResponseError)
"""These follow minutes of retries, so no other facility of the list is tried."""
MAX_SHOWN = 10


class _Failure(NamedTuple):
    stream: str
    line: str
    kind: ErrorKind


class Problems:
    """The problems of one run, in all streams; changed only by the thread of the sync."""

    def __init__(self) -> None:
        """Start without any."""
        self._failed: dict[_Failure, list[int | None]] = {}
        """Facilities by what failed there, for most have the same."""
        self._incomplete: list[str] = []
        self._lost: set[int] = set()
        self._broken: dict[str, _Failure] = {}
        """What failed by stream, where asking again is not worth the wait."""

    @contextmanager
    def noted(self, stream: str, facility: int | None) -> Iterator[None]:
        """Continue the run after an error that concerns one list; raise any other error."""
        try:
            yield
        except (*LIST_IS_CLOSED, *LIST_IS_BROKEN) as error:
            failure = _Failure(stream, str(error), error.kind)
            self._failed.setdefault(failure, []).append(facility)
            if isinstance(error, LIST_IS_BROKEN):
                self._broken[stream] = failure

    def gave_up(self, stream: str, facility: int | None) -> bool:
        """Return whether the list is given up; then the facility counts as failed, too."""
        if stream not in self._broken:
            return False
        self._failed[self._broken[stream]].append(facility)
        return True

    def incomplete(self, stream: str, facility: int | None, reason: str) -> None:
        """Record that a scan may have missed rows: its bookmark stays, and the run fails."""
        where = f"facility {facility}: " if facility is not None else ""
        self._incomplete.append(f"{stream}: {where}{reason}")

    def lost(self, facilities: Iterable[int]) -> None:
        """Record facilities in the state that the token can no longer see."""
        self._lost.update(facilities)

    def lines(self) -> list[str]:
        """Return a line for each list that failed, and one for all that were incomplete."""
        lines = [
            failure.kind.with_page(
                f"{failure.stream}{_shown(facilities)}: {failure.line}; the other lists were read, "
                "bookmarks of this one stay where they were"
            )
            for failure, facilities in self._failed.items()
        ]
        if self._incomplete:
            lines.append(
                ErrorKind.INCOMPLETE.with_page(
                    "incomplete, bookmarks stay where they were: "
                    f"{'; '.join(self._incomplete)}; the rows that came were emitted; run again"
                )
            )
        if self._lost:
            lines.append(
                ErrorKind.ACCESS.with_page(
                    f"the token no longer sees facility {_listed(sorted(self._lost))}, which "
                    "earlier runs read; the others were read. Ask Bookio to give the right back, "
                    "or, if the clinic has left, remove its partitions from the state"
                )
            )
        return lines


def _shown(facilities: list[int | None]) -> str:
    ids = [facility for facility in facilities if facility is not None]
    return f" of facility {_listed(ids)}" if ids else ""


def _listed(ids: list[int]) -> str:
    more = f" and {len(ids) - MAX_SHOWN} more" if len(ids) > MAX_SHOWN else ""
    return f"{', '.join(map(str, ids[:MAX_SHOWN]))}{more}"
