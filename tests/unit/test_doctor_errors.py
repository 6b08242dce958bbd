"""What the doctor concludes from the refusal of an invalid filter value."""

from __future__ import annotations

import pytest

from bookio_doctor.finding import Verdict
from bookio_doctor.judgements.errors import judge_errors
from tests.surveys import answer, by_topic, listed, refused, survey

HOLDS, NOT_SHOWN, DIFFERS, BLOCKS = Verdict


@pytest.mark.parametrize(
    ("impossible", "verdict"),
    [
        (refused(400, 10), HOLDS),
        (refused(200, 10), HOLDS),
        (refused(422, None), HOLDS),
        (refused(200, 422), HOLDS),
        (refused(400, 1234), HOLDS),
        (refused(400, 20), NOT_SHOWN),
        (refused(404, 404), NOT_SHOWN),
        (refused(503, None), NOT_SHOWN),
        (answer(503), NOT_SHOWN),
        (listed([]), NOT_SHOWN),
        (listed([{"id": 1}]), DIFFERS),
    ],
)
def test_only_a_refusal_of_the_value_shows_that_it_is_refused(impossible, verdict) -> None:
    """An outage, a missing permission and an empty list prove nothing about the value."""
    findings = by_topic(judge_errors(survey([{"id": 1}], impossible=impossible)))
    assert findings["errors"].verdict == verdict


def test_a_code_is_not_shown_where_no_error_came() -> None:
    findings = by_topic(judge_errors(survey([{"id": 1}], impossible=listed([]))))
    assert findings["errors: code"].verdict == NOT_SHOWN
    assert findings["errors: code"].seen == "nothing was refused"
