"""Some hundred histories with faults. The long run is `make soak`; a seed again: `python -m tests.faults --seed S`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable

import pytest

from tests.faults.log_schedule import run_log_seed
from tests.faults.merges import Way, Ways
from tests.faults.schedule import run_seed

SEEDS = int(os.environ.get("LODUR_FAULT_SEEDS", "210"))

SEEDS_PER_TEST = 30

LOG_SEEDS = 24

FOUND = (12, 47, 54, 18, 56, 90, 594, 102188, 103508, 104407, 200583, 308415, 2003348)
"""Seeds that showed a fault of the product, by the schedule of their time: a commit that was stored after its segment
had been taken for an orphan; an upload or a deletion of an earlier life that met a segment of the same name; a bit of
delete requests that flipped on the way; deleted entries that were pushed again and taken for known, as rows or as a
body; a damaged gram filter that held up the delete requests of its day; a manifest that was rebuilt twice and taken for
older than the first time; a flush that came again after a rebuilding, and whose segment was merged and about to be
deleted; a process that deleted what another's rebuilt manifest named; a segment that could not be read for a moment
while a manifest was rebuilt, whose day was never compacted again; a day that the listing at the start did not have yet,
whose rows came from the log and from segments; and a commit of a process that had died, which the bucket carried out
after a start that had not found its segment."""


COPYING = (5000018, 5000028, 5000221)
"""Seeds in which all happens to segments with copied blocks that a merge may do. When the schedule has changed, `python
-m tests.faults --seed S` says of others what their merges did."""


@pytest.mark.parametrize("first", range(1, SEEDS + 1, SEEDS_PER_TEST))
def test_no_entry_is_lost_or_doubled(first: int) -> None:
    seeds = range(first, min(first + SEEDS_PER_TEST, SEEDS + 1))
    ways = _ways_of(seeds)
    if len(seeds) == SEEDS_PER_TEST:
        assert ways[Way.COPIED]
        assert ways[Way.ROW_BY_ROW]


def test_merges_that_copy_are_reached_in_all_ways() -> None:
    assert {way for way, count in _ways_of(COPYING).items() if count} == set(Way)


def _ways_of(seeds: Iterable[int]) -> Ways:
    """What merges did in some histories, all of which must go well."""
    ways: Ways = Counter()
    for seed in seeds:
        ways += run_seed(seed).ways
    return ways


@pytest.mark.parametrize("seed", FOUND)
def test_what_went_wrong_once_goes_right(seed: int) -> None:
    run_seed(seed)


def test_no_entry_of_an_object_wal_is_lost_or_doubled() -> None:
    for seed in range(1, LOG_SEEDS + 1):
        run_log_seed(seed)
