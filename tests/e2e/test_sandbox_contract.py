"""schemathesis against the OpenAPI description: the sandbox handles any request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import GenerationMode

from bookio_sandbox.api.openapi import openapi
from bookio_sandbox.running import Sandbox, in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

SPEC = schemathesis.openapi.from_dict(openapi())
# Bookio ignores parameters that it does not know, and every request carries the right token.
SPEC.config.generation.update(allow_extra_parameters=False, with_security_parameters=False)

TERM = {"dateFrom": "2027-01-04T09:00:00", "dateTo": "2027-01-04T09:30:00"}


@pytest.fixture(scope="module")
def world() -> Iterator[Sandbox]:
    """Return one sandbox for all requests; the HTTP status of its errors fits their code."""
    with in_thread(size=30, error_style="status", capacity_check=False) as sandbox:
        yield sandbox


@pytest.fixture
def known(world: Sandbox) -> dict[str, int]:
    """Return ids that exist, by the names of their parameters; the rows are this test's own."""
    bookable = world.rows("calendars")[0]
    return {
        "facilityId": bookable["facilityId"],
        "serviceId": bookable["services"][0]["id"],
        "calendarId": world.insert("calendars", facilityId=bookable["facilityId"]),
        "reservationId": world.insert("reservations"),
        "blockedTimeId": world.insert("blocked_times"),
    }


def aim(case: schemathesis.Case, known: dict[str, int]) -> None:
    """Point a valid request at existing rows and times, which JSON Schema cannot know."""
    times = {"validFrom": TERM["dateFrom"], "validTo": TERM["dateTo"], **TERM}
    for part, hits in (
        (case.path_parameters, known),
        (case.query, known),
        (case.body, known | times),
    ):
        if isinstance(part, dict):
            part.update({name: hit for name, hit in hits.items() if name in part})


@SPEC.parametrize()
@settings(
    max_examples=20,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_the_sandbox_follows_its_openapi_description(
    world: Sandbox, known: dict[str, int], case: schemathesis.Case
) -> None:
    """Valid requests succeed or are refused as documented, invalid ones are refused."""
    valid = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if valid:
        aim(case, known)
    response = case.call_and_validate(
        base_url=world.url, headers={"Authorization": f"Bearer {world.token}"}
    )
    if valid:
        refusals = {"POST": {409}, "DELETE": {404}}
        assert response.status_code in {200} | refusals.get(case.method, set())
