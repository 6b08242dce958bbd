"""Pure: what was seen -> which assumptions hold. One function a topic, in the report's order.

A verdict is never better than the evidence: where a clinic has no rows, or rows show nothing, it is
NOT_SHOWN. What tap and target handle by themselves is still DIFFERS, with a meaning that says so.
"""

from __future__ import annotations

import re
import statistics
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from bookio_api.contract import MAX_PAGE_SIZE, OPERATIONS, RESOURCES, Evidence
from bookio_api.schemas import stream_schema
from bookio_doctor.finding import Finding, Verdict
from bookio_doctor.survey import IMPOSSIBLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bookio_doctor.survey import ListSeen, Row, Survey

C, S, G, U = Evidence
HOLDS, NOT_SHOWN, DIFFERS, BLOCKS = Verdict

_WALL = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}")
_OPENING_HOURS = range(5, 22)
_MAX_NAME = 40
_MAX_SKEW_S = 60
_MAX_CONCURRENCY = 16
_SECONDS_PER_PAGE = 0.02
"""Enough requests in flight for 50 pages a second, which no clinic needs to exceed."""
_RATE_HEADERS = re.compile(r"(?i)(x-)?rate-?limit|retry-after")


def judge(survey: Survey) -> list[Finding]:
    """Return a finding for each assumption, in the order of the report."""
    return [finding for judgement in JUDGEMENTS for finding in judgement(survey)]


def judge_lists(survey: Survey) -> Iterator[Finding]:
    """Judge token, permissions and paths of the four lists."""
    refused = [seen for seen in survey.lists.values() if seen.is_token_refused]
    answered = [seen for seen in survey.lists.values() if seen.reply is not None]
    if refused and len(refused) == len(answered):
        yield Finding(
            "token",
            "the token is valid",
            U,
            BLOCKS,
            "every list refuses the token (code 20)",
            "check auth_token, and ask Bookio which rights its channel has",
        )
    elif any(seen.works for seen in survey.lists.values()):
        yield Finding("token", "the token is valid", U, HOLDS, "a list responded to it")
    elif survey.unanswered:
        seen = survey.unanswered
        yield Finding("server", "it responds", C, BLOCKS, seen, "check api_url and the network")
    for resource in RESOURCES.values():
        yield _judge_list(survey.lists[resource.list_operation], survey)


def _judge_list(seen: ListSeen, survey: Survey) -> Finding:
    operation = OPERATIONS[seen.operation]
    topic, assumption = seen.operation, f"it is {operation.method} {operation.path}"
    asked = "; ".join(f"{path}: {what}" for path, what in seen.tried)
    if seen.path == operation.path:
        return Finding(topic, assumption, operation.evidence, HOLDS, "it responds with a list")
    if seen.works:
        right = f"{operation.method} {seen.path}"
        return Finding(
            topic,
            assumption,
            operation.evidence,
            DIFFERS,
            f"it is at {seen.path}",
            "set endpoint_overrides",
            overrides={seen.operation: right},
        )
    if not seen.tried:
        return Finding(topic, assumption, operation.evidence, NOT_SHOWN, survey.unanswered)
    if seen.is_forbidden and seen.operation == "list_facilities":
        return Finding(
            topic,
            assumption,
            operation.evidence,
            DIFFERS,
            f"not permitted ({asked})",
            "tap and target read without it, with default_timezone for all rows",
        )
    if seen.is_forbidden or seen.is_token_refused:
        meaning = "ask Bookio to open this list to the channel of auth_token"
        return Finding(topic, assumption, operation.evidence, BLOCKS, f"refused ({asked})", meaning)
    return Finding(
        topic,
        assumption,
        operation.evidence,
        BLOCKS,
        f"no list at {asked}",
        "ask Bookio for the path, and set it in endpoint_overrides; or check api_url",
    )


def judge_envelope(survey: Survey) -> Iterator[Finding]:
    """Judge the envelope, the key of the rows, and the shape of an error."""
    for seen in survey.lists.values():
        expected = OPERATIONS[seen.operation]
        if seen.works and seen.operation != "list_facilities":
            same = seen.rows_key == expected.rows
            shown = _safe_name(seen.rows_key) or "data itself"
            yield Finding(
                f"{seen.operation}: rows",
                f"the rows are in data.{expected.rows}",
                expected.evidence_rows,
                HOLDS if same else DIFFERS,
                f"they are in {shown}",
                "" if same else "the only list in data is read, so nothing needs to be set",
            )
    if (reply := survey.impossible) is None:
        return
    assumption = f"a filter value that cannot be right (status={IMPOSSIBLE}) is refused"
    if reply.is_success:
        meaning = "wrong filters are ignored here: check filters of your own by their effect"
        yield Finding("errors", assumption, G, DIFFERS, f"HTTP {reply.status}, success", meaning)
        return
    seen_as = f"HTTP {reply.status}, code {reply.code if reply.code is not None else 'not shown'}"
    yield Finding("errors", assumption, G, HOLDS, seen_as)
    place = _place_of_code(reply.document)
    yield Finding(
        "errors: code",
        "the code is in errorCode or code, in result or beside it",
        U,
        HOLDS if place else NOT_SHOWN,
        place or "no number in any of these places",
        "" if place else "errors are then told apart by their HTTP status",
    )


def judge_paging(survey: Survey) -> Iterator[Finding]:
    """Judge ``total``, the page cap, ``limit=0`` and what is beyond the end."""
    seen = survey.reservations
    if not seen.works:
        return
    kind = type(seen.total).__name__
    if seen.total is None:
        meaning = "the scan looks behind the end instead: two requests more for each facility"
        yield Finding("total", "lists send pagination.total", S, DIFFERS, "there is none", meaning)
    else:
        meaning = "" if kind == "int" else "it is read as the number that it is"
        verdict = HOLDS if kind == "int" else DIFFERS
        yield Finding("total", "lists send pagination.total", S, verdict, f"as {kind}", meaning)
    count, total = len(seen.rows), _number(seen.total)
    if total is not None and total > count and 0 < count < MAX_PAGE_SIZE:
        yield Finding(
            "page cap",
            f"a page holds up to {MAX_PAGE_SIZE} rows",
            C,
            DIFFERS,
            f"{count} of a larger total came",
            "the scan adapts; page_size is best set to it",
            settings={"page_size": count},
        )
    elif count == MAX_PAGE_SIZE:
        yield Finding("page cap", f"a page holds up to {MAX_PAGE_SIZE} rows", C, HOLDS, f"{count}")
    for name, reply, expected in (
        ("limit=0", survey.limit_zero, "no rows"),
        ("beyond the end", survey.beyond_end, "no rows"),
    ):
        if reply is not None:
            rows = seen.rows_in(reply)
            shown = "refused" if rows is None else "no rows" if not rows else f"{len(rows)} rows"
            verdict = HOLDS if shown == expected else DIFFERS
            yield Finding(name, f"{name} brings no rows", G, verdict, shown)


def judge_order(survey: Survey) -> Iterator[Finding]:
    """Judge the order of a list, and whether two readings agree."""
    rows, again = survey.reservations.rows, survey.second_reading
    if again is None or len(rows) < 2:  # noqa: PLR2004
        yield Finding("order", "the order of a list is stable", U, NOT_SHOWN, "too few rows")
        return
    ids = [row.get("id") for row in rows]
    common = set(map(str, ids)) & {str(row.get("id")) for row in again}
    stable = [str(i) for i in ids if str(i) in common] == [
        str(row.get("id")) for row in again if str(row.get("id")) in common
    ] and len(common) * 2 > len(ids)
    if not stable:
        meaning = "lists are read through date windows then, which takes more requests"
        yield Finding("order", "the order of a list is stable", U, DIFFERS, "it changed", meaning)
        return
    yield Finding("order", "the order of a list is stable", U, HOLDS, f"by {_order_of(rows)}")


def judge_ranges(survey: Survey) -> Iterator[Finding]:
    """Judge whether ``from`` and ``to`` include the days that they name."""
    assumption = "from and to include the days that they name"
    if survey.on_day is None or survey.until_day is None:
        yield Finding("from, to", assumption, U, NOT_SHOWN, "no row with a date")
        return
    on_day = sum(str(row.get("dateFrom", "")).startswith(survey.day) for row in survey.on_day)
    until = sum(str(row.get("dateFrom", "")).startswith(survey.day) for row in survey.until_day)
    others = len(survey.on_day) - on_day
    if on_day and until and not others:
        yield Finding("from, to", assumption, U, HOLDS, "both days are included")
    elif others:
        meaning = "rows of other days come too, so the filters narrow less than they say"
        yield Finding("from, to", assumption, U, DIFFERS, "rows of other days came", meaning)
    else:
        meaning = "set reservations_to and blocked_times_to a day later than you want"
        yield Finding("from, to", assumption, U, DIFFERS, "the last day is left out", meaning)


def judge_last_sync(survey: Survey) -> Iterator[Finding]:
    """Judge what ``lastSync`` means, as far as rows' own times show it."""
    syncs = {name: {str(row.get("id")) for row in rows} for name, rows in survey.syncs.items()}
    everything = syncs.get("all")
    if not everything or "future" not in syncs or "seconds" not in syncs:
        yield Finding("lastSync", "it filters by time", U, NOT_SHOWN, "too few rows")
        return
    if syncs["future"]:
        meaning = "every run reads everything, which is slow but loses nothing"
        seen = "rows came for a time that is still to come"
        yield Finding("lastSync", "it filters by time", U, DIFFERS, seen, meaning)
        return
    yield Finding("lastSync", "it filters by time", U, HOLDS, "no row for a time to come")
    in_seconds = not syncs["seconds"]
    yield Finding(
        "lastSync: unit",
        "it is in milliseconds",
        C,
        BLOCKS if in_seconds else HOLDS,
        "a number of seconds filters, too" if in_seconds else "a number of seconds does not filter",
        "incremental runs would miss rows: please tell the maintainers" if in_seconds else "",
    )
    yield _judge_bound(survey)
    yield from _judge_changes(survey)


def _judge_bound(survey: Survey) -> Finding:
    """Compare the questions a second before, at and a second after a row's own time."""
    topic, assumption = "lastSync: bound", "it compares the time of a row's last change"
    row = survey.timed_row
    if row is None or not {"before", "at", "after"} <= survey.syncs.keys():
        seen = "no row that changed lately says when"
        return Finding(topic, assumption, U, NOT_SHOWN, seen)
    came = {
        name: any(str(r.get("id")) == row.id for r in survey.syncs[name])
        for name in ("before", "at", "after")
    }
    if came["before"] and not came["after"]:
        # A row may have changed in a fraction of the second that it shows: >= cannot be told then.
        bound = ">=, or > with fractions of a second" if came["at"] else ">"
        return Finding(topic, assumption, U, HOLDS, f"it follows {row.field} with {bound}")
    seen = f"a row came or stayed away whatever its {row.field} says"
    return Finding(topic, assumption, U, NOT_SHOWN, seen)


def _judge_changes(survey: Survey) -> Iterator[Finding]:
    rows = survey.syncs.get("recent", [])
    since = datetime.fromtimestamp(survey.recent_since_ms / 1000, UTC) - timedelta(days=1)
    older = any(str(row.get("created") or "~")[:10] < since.date().isoformat() for row in rows)
    yield Finding(
        "lastSync: changed",
        "it brings rows that were changed",
        U,
        HOLDS if older else NOT_SHOWN,
        "an older row came" if older else "no older row among the latest",
    )
    cancelled = any(row.get("status") == "CANCELLED" for row in rows)
    yield Finding(
        "lastSync: cancelled",
        "it brings rows that were cancelled",
        U,
        HOLDS if cancelled else NOT_SHOWN,
        "a cancelled row came" if cancelled else "no cancelled row among the latest",
    )


def judge_clock(survey: Survey) -> Iterator[Finding]:
    """Judge the ``Date`` header, and how far the clocks are apart."""
    reply = next((r for r in survey.replies if r.headers.get("Date")), None)
    if reply is None:
        meaning = "the bookmark uses this machine's clock: keep it right"
        yield Finding("Date", "responses carry the server's time", G, DIFFERS, "no Date", meaning)
        return
    try:
        skew = abs(parsedate_to_datetime(reply.headers["Date"]).timestamp() - reply.asked_at)
    except ValueError:
        yield Finding("Date", "responses carry the server's time", G, DIFFERS, "it is not a date")
        return
    far = skew > _MAX_SKEW_S
    yield Finding(
        "Date",
        "responses carry the server's time",
        G,
        DIFFERS if far else HOLDS,
        f"the clocks differ by {skew:.0f} s",
        "bookmarks follow the server's clock" if far else "",
    )


def judge_times(survey: Survey) -> Iterator[Finding]:
    """Judge the form of datetimes, and whether they fit opening hours."""
    texts = [t for row in survey.reservations.rows if isinstance(t := row.get("dateFrom"), str)]
    if not texts:
        yield Finding("datetimes", "they are wall time, 2018-06-29T12:00:00", C, NOT_SHOWN, "none")
        return
    plain = sum(bool(_WALL.fullmatch(text)) for text in texts)
    forms = ", ".join(sorted({re.sub(r"\d", "9", text)[:32] for text in texts})[:3])
    yield Finding(
        "datetimes",
        "they are wall time, 2018-06-29T12:00:00",
        C,
        HOLDS if plain == len(texts) else DIFFERS,
        f"form {forms}",
        "" if plain == len(texts) else "these forms are understood",
    )
    hours = [int(text[11:13]) for text in texts if text[11:13].isdecimal()]
    fitting = sum(hour in _OPENING_HOURS for hour in hours)
    fits = bool(hours) and fitting >= 0.95 * len(hours)
    yield Finding(
        "opening hours",
        "datetimes are local to the facility",
        G,
        HOLDS if fits else DIFFERS,
        f"{fitting} of {len(hours)} terms begin between 5 and 22 o'clock",
        "" if fits else "compare a known booking by hand before you trust any time",
    )


def judge_fields(survey: Survey) -> Iterator[Finding]:
    """Judge fields that arrive and no schema knows, and promised ones that never arrive."""
    for resource in RESOURCES.values():
        rows = survey.rows(resource.list_operation)
        topic = f"{resource.name}: fields"
        if not rows:
            yield Finding(topic, "the schema lists them", G, NOT_SHOWN, "no row")
            continue
        known = stream_schema(resource.name)["properties"]
        arrived = {name: value for row in rows for name, value in row.items()}
        unknown = sorted(name for name in arrived.keys() - known.keys() if _safe_name(name))
        never = sorted(known.keys() - arrived.keys())
        kinds = {name: _kinds(rows, name) for name in unknown}
        more = ", ".join(f"{name} ({'/'.join(kinds[name])})" for name in unknown) or "none"
        yield Finding(
            topic,
            "the schema lists them",
            G,
            DIFFERS if unknown or never else HOLDS,
            f"unknown: {more}; never sent: {', '.join(never) or 'none'}",
            "unknown fields pass through; list them in the catalog to get columns"
            if unknown
            else "missing fields are null"
            if never
            else "",
            patch=tuple(
                {
                    "op": "add",
                    "path": f"/properties/{name}",
                    "value": {"type": [*kinds[name], "null"]},
                }
                for name in unknown
            ),
        )
    yield from _judge_marks(survey)


def _judge_marks(survey: Survey) -> Iterator[Finding]:
    for name, meaning in (
        ("externalId", "a write whose answer is lost is then recognised by patient and term"),
        ("status", "cancellations cannot be seen in the list"),
    ):
        rows = survey.reservations.rows
        if rows:
            shown = any(name in row for row in rows)
            yield Finding(
                f"reservations: {name}",
                f"the list shows {name}",
                G,
                HOLDS if shown else DIFFERS,
                "it does" if shown else "it does not",
                "" if shown else meaning,
            )


def judge_transport(survey: Survey) -> Iterator[Finding]:
    """Judge rate limits, compression, kept connections and latency."""
    replies = survey.replies
    if not replies:
        return
    headers = {name for reply in replies for name in reply.headers}
    limits = sorted(name for name in headers if _RATE_HEADERS.match(name))
    yield Finding(
        "rate limit",
        "no limit is announced",
        U,
        DIFFERS if limits else NOT_SHOWN,
        ", ".join(limits) or "no such header",
        "set requests_per_second" if limits else "",
    )
    zipped = any("gzip" in reply.headers.get("Content-Encoding", "") for reply in replies)
    kept = not any(reply.headers.get("Connection", "").lower() == "close" for reply in replies)
    packed = "gzip" if zipped else "no gzip"
    yield Finding(
        "connection",
        "connections are kept",
        G,
        HOLDS if kept else DIFFERS,
        f"{packed}; {'kept' if kept else 'closed after each response'}",
    )
    seconds = sorted(reply.seconds for reply in replies)
    median, slow = statistics.median(seconds), seconds[int(0.95 * (len(seconds) - 1))]
    useful = max(1, min(_MAX_CONCURRENCY, round(median / _SECONDS_PER_PAGE)))
    yield Finding(
        "latency",
        "responses come within a second",
        U,
        HOLDS if median < 1 else DIFFERS,
        f"median {median * 1000:.0f} ms, 95th percentile {slow * 1000:.0f} ms",
        f"max_concurrency {useful} suits it, if Bookio allows it",
    )


JUDGEMENTS: tuple[Callable[[Survey], Iterator[Finding]], ...] = (
    judge_lists,
    judge_envelope,
    judge_paging,
    judge_order,
    judge_ranges,
    judge_last_sync,
    judge_clock,
    judge_times,
    judge_fields,
    judge_transport,
)


def _place_of_code(document: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return where an error's code is, empty if it is in none of the places that are read."""
    top = document if isinstance(document, dict) else {}
    result = top.get("result")
    for place, fields in (("result.", result if isinstance(result, dict) else {}), ("", top)):
        for name in ("errorCode", "code"):
            if str(fields.get(name)).isdecimal():
                return f"{place}{name}, as {type(fields[name]).__name__}"
    return ""


def _order_of(rows: list[Row]) -> str:
    """Return the field and direction by which rows are sorted, as far as one fits."""
    for name in ("id", "modified", "created", "dateFrom", "dateTo"):
        values = [row.get(name) for row in rows]
        if None in values or len({type(value) for value in values}) != 1:
            continue
        ordered = sorted(values)  # type: ignore[type-var]
        if values == ordered:
            return f"{name}, ascending"
        if values == ordered[::-1]:
            return f"{name}, descending"
    return "none of the fields that were tried"


def _kinds(rows: list[Row], name: str) -> list[str]:
    """Return the JSON types of a field's values, without null."""
    names = {
        bool: "boolean",
        int: "integer",
        float: "number",
        str: "string",
        list: "array",
        dict: "object",
    }
    kinds = {names[type(row[name])] for row in rows if row.get(name) is not None}
    return sorted(kinds) or ["string"]


def _number(value: object) -> int | None:
    try:
        return int(float(value)) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return None


def _safe_name(name: str) -> str:
    """Return a field's name if it looks like one from a program, else nothing."""
    usual = name.isidentifier() and name.isascii() and len(name) <= _MAX_NAME
    return name if usual and not re.search(r"\d{5}", name) else ""
