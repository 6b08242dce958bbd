"""Any response gives rows that fit the schema, or an error that quotes nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bookio_api.errors import BookioError
from bookio_api.schemas import stream_schema
from tap_bookio.tap import TapBookio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bookio_sandbox.running import Sandbox
    from tests.conftest import StartSandbox

CANARY = "Kanárik"
SCHEMA = stream_schema("reservations")

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.just(CANARY),
    st.text(max_size=8),
    st.just("2026-02-29T12:00"),
    st.just("2026-03-29T02:30"),
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
rows = st.fixed_dictionaries(
    {"id": st.integers(1, 10**18) | st.just("17") | anything},
    optional={**dict.fromkeys(SCHEMA["properties"].keys() - {"id"}, anything), "unknown": anything},
)
data = st.fixed_dictionaries(
    {}, optional={"reservations": st.lists(rows, max_size=4) | anything, "pagination": anything}
)
results = st.fixed_dictionaries(
    {"success": st.sampled_from([True, False]) | anything},
    optional={"errors": anything, "data": data | anything, "errorCode": anything, "code": anything},
)
responses = anything | st.fixed_dictionaries({"result": results})


class Probe:
    """Lets the sandbox send one response, and returns what the tap makes of it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        config = {"auth_token": sandbox.token, "api_url": sandbox.url}
        self.tap = TapBookio(config=config, parse_env_config=False)
        self.stream = self.tap.streams["reservations"]
        self.facility = self.tap.run.facilities.in_scope[0]

    def __call__(self, response: Any) -> list[dict[str, Any]]:
        body = json.dumps(response)
        self.sandbox.script("list_reservations", {"status": 200, "body": body})
        page = self.stream.fetch({"facilityId": self.facility.id})
        return self.stream.records(page.rows, self.facility)


@pytest.fixture
def probe(start_sandbox: StartSandbox) -> Iterator[Probe]:
    probe = Probe(start_sandbox())
    yield probe
    probe.tap.close()


@pytest.mark.slow
@settings(
    max_examples=300,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(response=responses)
def test_no_response_crashes_the_tap_or_is_quoted(probe: Probe, response: Any) -> None:
    """Any JSON gives valid records or a one-line error without text from it."""
    message, records = "", []
    try:
        records = probe(response)
    except BookioError as error:
        message = str(error)
    assert CANARY not in message
    assert "\n" not in message
    for record in records:
        jsonschema.validate(record, SCHEMA)
        msgspec.json.encode(record)
