"""Which heads are flushed, and why."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lodur.ingest.flush_policy import (
    CALM_FILL_S,
    PRESSURE_RATIO,
    FlushDecision,
    FlushPolicy,
    FlushReason,
    HeadFacts,
    is_calm,
    plan_flushes,
)
from lodur.model.tenant import TenantId

POLICY = FlushPolicy(flush_bytes=100, idle_s=30.0, age_s=120.0, head_max_bytes=1000)
NOW_S = 1000.0


def head(
    name: str, size: int, *, flushing: int = 0, rows: int = 1, first_s: float = NOW_S, last_s: float = NOW_S
) -> HeadFacts:
    return HeadFacts(TenantId(name), size, flushing, rows, first_s, last_s)


def reasons(*heads: HeadFacts) -> dict[str, FlushReason]:
    return {decision.tenant.value: decision.reason for decision in plan_flushes(heads, POLICY, NOW_S)}


def test_a_young_small_head_stays() -> None:
    assert reasons(head("a", 99)) == {}


def test_a_full_head_goes() -> None:
    assert reasons(head("a", 100), head("b", 5)) == {"a": FlushReason.FULL}


def test_an_idle_head_goes() -> None:
    assert reasons(head("a", 1, last_s=NOW_S - 30)) == {"a": FlushReason.IDLE}
    assert reasons(head("a", 1, last_s=NOW_S - 29)) == {}


def test_an_old_head_goes_though_it_is_busy() -> None:
    assert reasons(head("a", 1, first_s=NOW_S - 120)) == {"a": FlushReason.MAX_AGE}


def test_an_empty_head_never_goes() -> None:
    assert reasons(head("a", 0, rows=0, first_s=0, last_s=0)) == {}


def test_a_head_under_way_is_left_alone() -> None:
    assert reasons(head("a", 500, flushing=100)) == {}


def test_many_small_heads_together_are_pressure_and_the_largest_go() -> None:
    heads = [head(f"t{n}", 60 + n) for n in range(10)]
    decided = reasons(*heads)
    assert set(decided.values()) == {FlushReason.PRESSURE}
    assert set(decided) == {"t9", "t8", "t7"}


facts = st.builds(
    lambda size, flushing, rows, first_s, last_s: (size, flushing, rows, first_s, last_s),
    st.integers(0, 400),
    st.integers(0, 400),
    st.integers(0, 3),
    st.floats(0, NOW_S),
    st.floats(0, NOW_S),
)


@given(st.lists(facts, max_size=12))
def test_decisions_name_each_free_head_once_and_leave_room(drawn: list[tuple[int, int, int, float, float]]) -> None:
    heads = [
        head(f"t{n}", size, flushing=flushing, rows=rows, first_s=first_s, last_s=last_s)
        for n, (size, flushing, rows, first_s, last_s) in enumerate(drawn)
    ]
    decisions = plan_flushes(heads, POLICY, NOW_S)
    named = [decision.tenant for decision in decisions]
    assert len(set(named)) == len(named)
    free = {head.tenant: head for head in heads if head.rows and not head.flushing_bytes}
    assert set(named) <= set(free)
    staying = sum(head.bytes for head in heads if head.tenant not in named)
    unfree = sum(head.bytes for head in heads if head.tenant not in free)
    assert staying <= max(POLICY.head_max_bytes * PRESSURE_RATIO, unfree)


def test_what_came_slowly_may_be_flushed_slowly() -> None:
    slow, fast = (head("a", 100, first_s=NOW_S - seconds) for seconds in (CALM_FILL_S, CALM_FILL_S - 1))
    assert is_calm(FlushDecision(slow.tenant, FlushReason.FULL), slow, NOW_S)
    assert not is_calm(FlushDecision(slow.tenant, FlushReason.PRESSURE), slow, NOW_S)
    assert not is_calm(FlushDecision(fast.tenant, FlushReason.FULL), fast, NOW_S)
