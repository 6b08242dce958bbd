"""Which shard a facility belongs to."""

from __future__ import annotations

import subprocess
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookio_api.errors import SettingsError
from bookio_shards.assignment import MAX_SHARDS, Shard, all_shards, assign, shard_of

FACILITY_IDS = st.sets(st.integers(-(2**63), 2**63 - 1))
TEN_THOUSAND = range(1000, 11_000)


@pytest.mark.parametrize(
    ("facility_id", "of_16", "of_64"), [(1, 3, 51), (17, 15, 15), (8675, 9, 41), (8712, 8, 40)]
)
def test_the_hash_never_changes(facility_id: int, of_16: int, of_64: int) -> None:
    """A different value would make every user read every facility in full again."""
    assert shard_of(facility_id, 16) == Shard(of_16, 16)
    assert shard_of(facility_id, 64) == Shard(of_64, 64)


def test_a_shell_computes_the_same_hash() -> None:
    """The rule in the docs needs no Python."""
    rule = 'hash=$(printf %s "$1" | sha256sum | cut -c1-8); echo $((0x$hash % $2))'
    for facility_id in (3, 8675, 10**9):
        command = ["/bin/bash", "-c", rule, "bash", str(facility_id), "16"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert int(shown) == shard_of(facility_id, 16).number


def test_shard_names_sort_in_numeric_order() -> None:
    assert Shard(7, 16).name == "shard-07of16"
    assert Shard(0, 1).name == "shard-00of01"
    names = [shard.name for shard in all_shards(MAX_SHARDS)]
    assert names == sorted(set(names))


@given(ids=FACILITY_IDS, count=st.integers(1, MAX_SHARDS))
def test_every_facility_is_in_exactly_one_shard(ids: set[int], count: int) -> None:
    """Nothing is read twice, and nothing is left out."""
    assigned = assign(ids, count)
    assert list(assigned) == all_shards(count)
    assert sorted(chain(*assigned.values())) == sorted(ids)


@given(ids=FACILITY_IDS, others=FACILITY_IDS, count=st.integers(1, MAX_SHARDS))
def test_a_facility_keeps_its_shard_when_others_are_added_or_removed(
    ids: set[int], others: set[int], count: int
) -> None:
    """New clinics must not send old ones to a state without their bookmarks."""
    before, after = assign(ids, count), assign(ids | others, count)
    assert all(set(before[shard]) <= set(after[shard]) for shard in before)


@given(facility_id=st.integers(), count=st.integers(1, 16), times=st.integers(1, 4))
def test_multiplying_the_number_of_shards_splits_each_one(
    facility_id: int, count: int, times: int
) -> None:
    """So that a journal can be copied to the shards that take over from its own."""
    number = shard_of(facility_id, count * times).number
    assert number % count == shard_of(facility_id, count).number


@pytest.mark.parametrize("count", [2, 4, 16, 30, 64])
def test_ten_thousand_facilities_are_spread_evenly(count: int) -> None:
    """No shard has more than five standard deviations above the mean of a fair draw."""
    mean = len(TEN_THOUSAND) / count
    sizes = [len(ids) for ids in assign(TEN_THOUSAND, count).values()]
    assert max(sizes) - mean < 5 * mean**0.5
    assert mean - min(sizes) < 5 * mean**0.5


@pytest.mark.parametrize("count", [0, 65, -1])
def test_an_impossible_number_of_shards_is_refused(count: int) -> None:
    with pytest.raises(SettingsError, match=f"{count} shards are not possible; use 1 to 64"):
        all_shards(count)
