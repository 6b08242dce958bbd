"""The lists of Bookio as fast as Python serves them, so that the client is what is measured.

``python bench/server.py --rows 100000 --latency-ms 0`` prints its base URL. One facility; rows of
700 to 760 bytes, as different as those of a clinic; ``offset``, ``limit``, ``total`` and ``Date``
as in Bookio's envelope. POST answers an id at once: the target's bench counts what arrived through
GET /count. With ``--keep`` the list shows what was created.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from datetime import datetime, timedelta
from email.utils import formatdate
from functools import lru_cache
from urllib.parse import parse_qs, urlsplit

FACILITY = {"id": 1, "name": "Bench", "timeZone": "Europe/Bratislava"}
START = datetime(2024, 1, 1)  # noqa: DTZ001 - Bookio's wall time
SPAN_SECONDS = 3 * 365 * 86_400
ROW_BYTES = range(712, 760)
SHARE_CANCELLED, SHARE_WITH_EMAIL = 0.2, 0.9
NAMES = ("Žofia", "Ján", "Ľudmila", "Štefan", "Jozef", "Mária", "Čestmír", "Anna")
SURNAMES = ("Nováková", "Kováč", "Hrušovský", "Šťastná", "Baláž", "Ďuriš", "Molnár", "Lukáč")
SERVICES = ("Vstupné vyšetrenie", "Kontrola", "Očkovanie", "RTG", "Preventívna prehliadka")
NOTE = "Príde s doprovodom, prosí o tichšiu miestnosť; alergia na penicilín, vlani po operácii. "


def row_of(number: int, rng: random.Random) -> dict[str, object]:
    """Return a lifelike reservation: distinct times, and some fields that no schema lists."""

    def moment() -> str:
        return (START + timedelta(seconds=rng.randrange(SPAN_SECONDS))).isoformat()

    starts = START + timedelta(minutes=15 * number % (SPAN_SECONDS // 60))
    is_cancelled = rng.random() < SHARE_CANCELLED
    service = rng.randrange(len(SERVICES))
    return {
        "id": number + 1,
        "number": f"{rng.randrange(16**6):06x}",
        "facilityId": 1,
        "serviceId": service + 1,
        "service": {"id": service + 1, "name": SERVICES[service], "duration": 15},
        "status": "CANCELLED" if is_cancelled else "CONFIRMED",
        "dateFrom": starts.isoformat(),
        "dateTo": (starts + timedelta(minutes=15)).isoformat(),
        "created": moment(),
        "cancelTime": moment() if is_cancelled else None,
        "name": rng.choice(NAMES),
        "surname": rng.choice(SURNAMES),
        "email": f"pacient{number}@example.org" if rng.random() < SHARE_WITH_EMAIL else None,
        "phone": f"+42190{rng.randrange(10**7):07}",
        "locale": "sk",
        "externalId": 9 * number,
        # The following are in no schema.
        "modified": moment(),
        "remindedAt": moment(),
        "channel": rng.choice(("web", "phone", "widget")),
        "insurance": str(rng.choice((24, 25, 27))),
        "price": rng.randrange(4000) / 100,
        "isFirstVisit": rng.choice((True, False)),
        "tags": ["new", "sms"],
        "room": None,
    }


def encoded_row(number: int, rng: random.Random) -> bytes:
    """Return one reservation as JSON of 700 to 760 bytes."""
    row = row_of(number, rng)
    missing = rng.choice(ROW_BYTES) - len(encoded({**row, "note": ""}))
    return encoded({**row, "note": (NOTE * 9)[: missing * 8 // 9]})


def encoded(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


class Lists:
    """The rows, and the answers made of them."""

    def __init__(self, rows: int, *, keeps: bool = False) -> None:
        self.keeps = keeps
        rng = random.Random(1)
        self.rows = [encoded_row(number, rng) for number in range(rows)]
        self.written = 0
        self.page = lru_cache(20_000)(self._page)

    def answer(self, method: str, target: str, body: bytes) -> bytes:
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if method != "GET":
            self.written += 1
            if self.keeps:
                self.rows.append(b'{"id":%d,"status":"CONFIRMED",%s' % (self.written, body[1:]))
                self.page.cache_clear()
            return b'{"result":{"success":true,"data":{"id":%d}}}' % self.written
        if parts.path.endswith("/reservations"):
            return self.page(int(query.get("offset", 0)), int(query.get("limit", 100)))
        if parts.path.endswith("/facilities/cgm"):
            data: object = {"facilities": [FACILITY]}
        elif parts.path.endswith("/count"):
            data = {"written": self.written}
        else:
            name = "calendars" if parts.path.endswith("/calendars") else "blockedTimes"
            data = {"pagination": {"total": 0}, name: []}
        return encoded({"result": {"success": True, "data": data}})

    def _page(self, offset: int, limit: int) -> bytes:
        head = b'{"result":{"success":true,"data":{"pagination":{"total":%d},"reservations":['
        return head % len(self.rows) + b",".join(self.rows[offset : offset + limit]) + b"]}}}"


class Connection(asyncio.Protocol):
    """Just enough HTTP/1.1: requests one after another, bodies by Content-Length."""

    def __init__(self, lists: Lists, latency: float) -> None:
        self._lists, self._latency, self._buffer = lists, latency, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        length = 0
        for line in head.split(b"\r\n"):
            if line[:15].lower() == b"content-length:":
                length = int(line[15:])
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        sent = rest[:length]
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        body = self._lists.answer(method, target, sent)
        answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: %s\r\n" % formatdate(
            usegmt=True
        ).encode() + b"Content-Length: %d\r\n\r\n" % len(body)
        if self._latency:
            loop = asyncio.get_running_loop()
            loop.call_later(self._latency, self._transport.write, answer + body)
        else:
            self._transport.write(answer + body)


async def serve(rows: int, latency_ms: float, *, keeps: bool) -> None:
    lists = Lists(rows, keeps=keeps)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(lists, latency_ms / 1000), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/public/api/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--latency-ms", type=float, default=0)
    parser.add_argument("--keep", action="store_true", help="list what is created")
    options = parser.parse_args()
    asyncio.run(serve(options.rows, options.latency_ms, keeps=options.keep))
