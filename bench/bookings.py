"""New reservations for the target, as a clinic's export has them: a Singer stream in a file."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from server import NAMES, NOTE, SERVICES, SURNAMES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ZONE = ZoneInfo("Europe/Bratislava")
START = datetime(2027, 1, 4, 7, tzinfo=ZONE)
DAY_SLOTS, SLOT_MINUTES, DOCTORS = 36, 15, 4
"""Nine hours a day, a patient a quarter of an hour for each doctor."""
SHARE_OF_NEW_PATIENTS, SHARE_WITH_NOTE = 0.6, 0.3
STATE_EVERY = 1000


def records(count: int) -> Iterator[dict[str, object]]:
    """Yield reservations one after the other in time; four of ten patients come again."""
    rng = random.Random(1)
    patients: list[dict[str, object]] = []
    for number in range(count):
        if not patients or rng.random() < SHARE_OF_NEW_PATIENTS:
            patients.append(_patient(len(patients), rng))
            patient = patients[-1]
        else:
            patient = rng.choice(patients)
        slot = number // DOCTORS
        starts = START + timedelta(
            days=slot // DAY_SLOTS, minutes=SLOT_MINUTES * (slot % DAY_SLOTS)
        )
        yield {
            "externalId": 100_000 + number,
            "facilityId": 1,
            "serviceId": 1 + number % len(SERVICES),
            **patient,
            "locale": "sk",
            "dateFrom": starts.isoformat(),
            "note": NOTE if rng.random() < SHARE_WITH_NOTE else None,
            "status": "CONFIRMED",
        }


def write_stream(file: Path, count: int) -> Path:
    """Write a Singer stream of so many reservations, a STATE after every thousand."""
    schema = {"type": "SCHEMA", "stream": "reservations", "schema": {"properties": {}}}
    with file.open("w") as lines:
        lines.write(json.dumps({**schema, "key_properties": []}) + "\n")
        for number, record in enumerate(records(count), 1):
            message = {"type": "RECORD", "stream": "reservations", "record": record}
            lines.write(json.dumps(message, ensure_ascii=False) + "\n")
            if number % STATE_EVERY == 0:
                lines.write(json.dumps({"type": "STATE", "value": {"at": number}}) + "\n")
    return file


def _patient(number: int, rng: random.Random) -> dict[str, object]:
    return {
        "name": rng.choice(NAMES),
        "surname": rng.choice(SURNAMES),
        "email": f"pacient{number}@example.org",
        "phone": f"+42190{rng.randrange(10**7):07}",
    }
