"""The four lists: filters, order, paging."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from bookio_api.contract import FACILITIES, MAX_PAGE_SIZE, RESOURCES, ReservationStatus
from bookio_api.errors import Code
from bookio_sandbox.api.errors import Refusal
from bookio_sandbox.api.validation import day, whole_number

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Collection, Mapping, Sequence

    from bookio_api.contract import Operation
    from bookio_sandbox.api.behaviour import Behaviour
    from bookio_sandbox.world.store import Store

Condition = tuple[str, object]
"""SQL with one placeholder, and its value."""

STREAM_OF_LIST = {resource.list_operation: name for name, resource in RESOURCES.items()}
_PAGING = ("offset", "limit")

_ORDERS = {
    "id": "id",
    "-id": "id DESC",
    "modified": "modified, id",
    "-modified": "modified DESC, id DESC",
    "dateFrom": "date_from, id",
    "-dateFrom": "date_from DESC, id DESC",
    "random": "id",
}


class Lists:
    """Answers every list operation from a store."""

    def __init__(self, rng: random.Random, numbered: Collection[tuple[str, int]]) -> None:
        """``rng`` shuffles if the order is random.

        ``numbered`` are the rows, by stream and id, whose ``externalId`` came through the API.
        """
        self._rng = rng
        self._numbered = numbered

    def answer(
        self, store: Store, operation: Operation, query: Mapping[str, str], behaviour: Behaviour
    ) -> bytes:
        """Return the encoded ``data`` of a list. ``Refusal`` for an invalid filter."""
        stream = STREAM_OF_LIST[operation.name]
        filters = [name for name in operation.query if name in query and name not in _PAGING]
        conditions = [self._condition(store, name, query[name], behaviour) for name in filters]
        where = " AND ".join(sql for sql, _ in conditions) or "1"
        values = [value for _, value in conditions]
        order = _ORDERS[behaviour.order] if operation.paged else "id"
        ids = store.ids(stream, where, values, order)
        if not operation.paged:
            return b'{"%s":[%s]}' % (
                _rows_key(operation),
                self._rows(store, stream, ids, behaviour),
            )
        offset = whole_number("offset", query.get("offset", "0"), 0)
        limit = whole_number("limit", query.get("limit", str(MAX_PAGE_SIZE)), 0, MAX_PAGE_SIZE)
        limit = min(limit, behaviour.page_cap)
        if behaviour.order == "random":
            ids = self._rng.sample(ids, len(ids))
        page = ids[offset : offset + limit]
        pagination = {"total": len(ids)} if behaviour.total else {}
        return b'{"pagination":%s,"%s":[%s]}' % (
            msgspec.json.encode(pagination | {"offset": offset, "limit": limit}),
            _rows_key(operation),
            self._rows(store, stream, page, behaviour),
        )

    def _rows(self, store: Store, stream: str, ids: Sequence[int], behaviour: Behaviour) -> bytes:
        bodies = store.bodies(stream, ids)
        if behaviour.hide or behaviour.hide_written_numbers:
            rows = map(msgspec.json.decode, bodies)
            bodies = [msgspec.json.encode(self._shown(stream, row, behaviour)) for row in rows]
        return b",".join(bodies)

    def _shown(self, stream: str, row: dict[str, Any], behaviour: Behaviour) -> dict[str, Any]:
        hidden = set(behaviour.hide)
        if behaviour.hide_written_numbers and (stream, row["id"]) in self._numbered:
            hidden.add("externalId")
        return {name: value for name, value in row.items() if name not in hidden}

    def _condition(self, store: Store, name: str, text: str, behaviour: Behaviour) -> Condition:
        if name == "facilityId":
            facility = whole_number(name, text)
            if store.get(FACILITIES, facility) is None:
                raise Refusal(Code.NOT_FOUND, f"facilityId: there is no facility {facility}")
            return "facility_id = ?", facility
        return _FILTERS[name](name, text, behaviour)


def _rows_key(operation: Operation) -> bytes:
    return (operation.rows or "").encode()


def _same(name: str, text: str, _: Behaviour) -> Condition:
    return f"{name} = ?", text


def _status(name: str, text: str, _: Behaviour) -> Condition:
    if text not in tuple(ReservationStatus):
        raise Refusal(Code.VALIDATION, f"{name}: must be one of {', '.join(ReservationStatus)}")
    return "status = ?", text


def _unsynced(name: str, text: str, _: Behaviour) -> Condition:
    if text not in {"true", "false"}:
        raise Refusal(Code.VALIDATION, f"{name}: must be true or false")
    return "unsynced >= ?", text == "true"


def _last_sync(name: str, text: str, behaviour: Behaviour) -> Condition:
    try:
        since = float(text)
    except ValueError:
        since = math.nan
    if not math.isfinite(since):
        raise Refusal(Code.VALIDATION, f"{name}: must be a number of milliseconds")
    return f"modified {'>' if behaviour.last_sync == 'gt' else '>='} ?", since


def _range_start(name: str, text: str, behaviour: Behaviour) -> Condition:
    column = "date_to > ?" if behaviour.range_match == "overlap" else "date_from >= ?"
    return column, day(name, text)


def _range_end(name: str, text: str, behaviour: Behaviour) -> Condition:
    last = day(name, text)
    column = "date_to" if behaviour.range_match == "within" else "date_from"
    # "2026-06-29T12:00:00" sorts between "2026-06-29" and "2026-06-29T24".
    return f"{column} < ?", f"{last}T24" if behaviour.range_end == "inclusive" else last


def _on_date(name: str, text: str, _: Behaviour) -> Condition:
    return "? BETWEEN substr(date_from, 1, 10) AND substr(date_to, 1, 10)", day(name, text)


_FILTERS: dict[str, Callable[[str, str, Behaviour], Condition]] = {
    "email": _same,
    "number": _same,
    "status": _status,
    "onlyUnsynced": _unsynced,
    "lastSync": _last_sync,
    "date": _on_date,
}
for _resource in RESOURCES.values():
    if _resource.date_filters:
        _FILTERS.update(zip(_resource.date_filters, (_range_start, _range_end), strict=True))
