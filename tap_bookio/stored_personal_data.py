"""Warns of data from before ``personal_data`` became stricter, still in the warehouse."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tap_bookio.records.privacy import PersonalData

STATE_KEY = "personal_data"
_STRICTNESS = [PersonalData.KEEP, PersonalData.PSEUDONYMISE, PersonalData.OMIT]
_STILL_THERE = {
    PersonalData.KEEP: "names, contacts and free text as Bookio has them",
    PersonalData.PSEUDONYMISE: "pseudonyms",
}


def note_mode(state: dict[str, Any], stream: str, mode: PersonalData) -> str | None:
    """Store the least strict mode so far in a stream's state; return a warning if needed.

    A state ends with a full refresh, which reads every row again and starts an empty one. A state
    that an older version wrote does not tell its mode: it counts from now on.
    """
    before = state.get(STATE_KEY)
    if before not in _STRICTNESS or _STRICTNESS.index(before) >= _STRICTNESS.index(mode):
        state[STATE_KEY] = mode.value
        return None
    return (
        f"personal_data is {mode} now, but rows of {stream} were loaded with {before}: the "
        f"warehouse still holds {_STILL_THERE[before]}; to clean it, drop its table {stream} and "
        "read everything again, with Meltano's --full-refresh or without --state"
    )


def laxest(modes: Iterable[str | None]) -> str | None:
    """Return the least strict mode in some states; None if there is none."""
    held = set(modes)
    return next((mode.value for mode in _STRICTNESS if mode in held), None)
