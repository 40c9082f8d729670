"""When groups are due."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lodur.model.durations import NS_PER_MINUTE, NS_PER_MS, NS_PER_S
from lodur.model.tenant import TenantId
from lodur.ruler.groups import GroupId
from lodur.ruler.schedule import missed_turns, next_turn_ns, offset_ns

GROUP = GroupId(TenantId("t"), "ns", "g")


@given(st.integers(0, 2**62), st.integers(1, 10**7).map(lambda ms: ms * NS_PER_MS))
def test_turns_follow_each_other_at_the_interval(now_ns: int, interval_ns: int) -> None:
    due_ns = next_turn_ns(GROUP, interval_ns, now_ns)
    assert now_ns < due_ns <= now_ns + interval_ns
    assert next_turn_ns(GROUP, interval_ns, due_ns) == due_ns + interval_ns
    assert due_ns % NS_PER_MS == 0


def test_groups_are_spread() -> None:
    groups = [GroupId(TenantId("t"), "ns", str(number)) for number in range(600)]
    counts = [0] * 60
    for group in groups:
        counts[offset_ns(group, NS_PER_MINUTE) // NS_PER_S] += 1
    assert max(counts) < 30


def test_turns_that_were_passed_over() -> None:
    assert missed_turns(0, NS_PER_MINUTE, NS_PER_MINUTE) == 0
    assert missed_turns(0, 3 * NS_PER_MINUTE, NS_PER_MINUTE) == 2
