"""The write protocol in every order of events: guarantees hold, and each rule is needed."""

from __future__ import annotations

import os

import pytest

from tests.model.write_protocol import ALL_RULES, Model, Rule, Wish

TICKS = int(os.environ.get("BOOKIO_MODEL_TICKS", "9"))
TROUBLE = int(os.environ.get("BOOKIO_MODEL_TROUBLE", "1"))

NEEDED = [
    (Wish.BOOK, Rule.FROM_THE_END, "booked twice"),
    (Wish.BOOK, Rule.COVERS_LAG, "booked twice"),
    (Wish.BOOK, Rule.WAIT, "booked twice"),
    (Wish.BOOK, Rule.HOLD, "a conflict that nobody made"),
    (Wish.BOOK, Rule.SENT_FIRST, "booked twice"),
    (Wish.CANCEL, Rule.FROM_THE_END, "a second e-mail"),
    (Wish.CANCEL, Rule.COVERS_LAG, "a second e-mail"),
    (Wish.CANCEL, Rule.WAIT, "a second e-mail"),
    (Wish.CANCEL, Rule.HOLD, "a conflict that nobody made"),
    (Wish.CANCEL, Rule.SENT_FIRST, "a second e-mail"),
    (Wish.CANCEL, Rule.TOUCHED, "a second e-mail"),
]


@pytest.mark.parametrize("wish", Wish)
def test_no_order_of_events_violates_a_guarantee(wish: Wish) -> None:
    """With all rules, no reachable state has a duplicate or a lost request."""
    model = Model(wish, ticks=TICKS, trouble=TROUBLE)
    broken = model.check()
    print(f"{model.worlds} worlds")
    assert broken is None, "\n".join(broken.trace)
    assert model.resolved, "the model is empty: no lost answer was ever resolved"


@pytest.mark.parametrize(("wish", "rule", "promise"), NEEDED)
def test_each_rule_is_needed(wish: Wish, rule: Rule, promise: str) -> None:
    """Without the rule, some order of events breaks a guarantee."""
    broken = Model(wish, ALL_RULES - {rule}, ticks=TICKS).check()
    assert broken is not None, f"nothing breaks without rule {rule.value}"
    print("\n".join(broken.trace))
    assert broken.promise == promise
