"""Who goes next: tenants with few turns before those with many, whatever anybody asks for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lodur.model.fair_turns import HALF_LIFE_S, HEAVY_S, REMEMBERED_MAX, SEEN_S, FairTurns


def turns(running_max: int = 2, spare: int = 1, heavy_max: int = 9) -> FairTurns[str]:
    return FairTurns(running_max=running_max, spare=spare, heavy_max=heavy_max)


def test_a_tenant_that_holds_none_goes_beyond_the_number_for_all() -> None:
    site = turns()
    assert site.enter("loud", "1", 0.0)
    assert site.enter("loud", "2", 0.0)
    assert not site.enter("loud", "3", 0.0)
    assert not site.would_wait("quiet", 0.0)
    assert site.enter("quiet", "q", 0.0)
    assert site.would_wait("quiet", 0.0)
    assert not site.enter("other", "o", 0.0)
    assert (site.running, site.waiting, site.waiting_of("loud")) == (3, 2, 1)
    # The spare turn is over; the next one is of who has fewest.
    assert site.leave("loud", 0.1, 1.0) == ["o"]
    assert site.leave("quiet", 0.1, 1.0) == []
    assert site.leave("other", 0.1, 1.0) == ["3"]


def test_of_equals_goes_who_has_used_least() -> None:
    site = turns(running_max=1, spare=0)
    for name, used_s in (("a", 5.0), ("b", 1.0), ("c", 3.0)):
        assert site.enter(name, name, 0.0)
        assert site.leave(name, used_s, 0.0) == []
    assert site.enter("x", "x", 0.0)
    for name in ("a", "b", "c"):
        assert not site.enter(name, name, 0.0)
    assert site.leave("x", 0.0, 0.0) == ["b"]
    assert site.leave("b", 9.0, 0.0) == ["c"]
    assert site.leave("c", 0.0, 0.0) == ["a"]


def test_who_withdraws_is_not_called() -> None:
    site = turns(running_max=1, spare=0)
    assert site.enter("a", "1", 0.0)
    assert not site.enter("a", "2", 0.0)
    assert not site.enter("a", "3", 0.0)
    assert site.withdraw("a", "2")
    assert not site.withdraw("a", "2")
    assert site.leave("a", 0.0, 0.0) == ["3"]
    assert not site.withdraw("a", "3")
    assert site.leave("a", 0.0, 0.0) == []
    assert (site.running, site.waiting) == (0, 0)


def use(site: FairTurns[str], name: str, used_s: float, now_s: float) -> None:
    site.enter(name, "", now_s)
    site.leave(name, used_s, now_s)


def test_who_uses_much_is_heavy_while_others_are_there() -> None:
    site = turns()
    use(site, "a", 2 * HEAVY_S, 0.0)
    assert not site.is_heavy("a", 0.0), "there is nobody else"
    use(site, "b", 0.1, 0.0)
    assert site.is_heavy("a", 0.0)
    assert not site.is_heavy("b", 0.0)
    assert not site.is_heavy("a", 2 * HALF_LIFE_S), "that was long ago"
    use(site, "a", 2 * HEAVY_S, 2 * SEEN_S)
    assert not site.is_heavy("a", 2 * SEEN_S), "the other has gone"


def test_who_uses_no_more_than_its_share_is_not_heavy() -> None:
    site = turns()
    use(site, "loud", 100 * HEAVY_S, 0.0)
    use(site, "louder", 120 * HEAVY_S, 0.0)
    use(site, "busy", 2 * HEAVY_S, 0.0)
    assert [site.is_heavy(name, 0.0) for name in ("loud", "louder", "busy")] == [True, True, False]


def test_a_heavy_tenant_has_few_turns() -> None:
    site = turns(running_max=9, heavy_max=2)
    for name in ("light", "heavy"):
        site.enter(name, "", 0.0)
    assert site.leave("heavy", 10 * HEAVY_S, 0.0) == []
    assert [site.enter("heavy", f"{number}", 0.0) for number in range(4)] == [True, True, False, False]
    assert site.would_wait("heavy", 0.0)
    assert site.enter("light", "", 0.0)
    assert site.leave("heavy", 0.0, 0.0) == ["2"]
    # It is so no more when what it used was long ago.
    assert site.leave("heavy", 0.0, 10 * HALF_LIFE_S) == ["3"]
    assert site.running == 4


def test_tenants_are_forgotten_but_not_those_who_hold_or_want_something() -> None:
    site = turns(running_max=1, spare=0)
    site.enter("holds", "", 0.0)
    site.leave("holds", 100.0, 0.0)
    site.enter("holds", "", 0.0)
    assert not site.enter("wants", "w", 0.0)
    for number in range(2 * REMEMBERED_MAX):
        site.enter(f"t{number}", "t", float(number))
        assert site.withdraw(f"t{number}", "t")
    assert site.leave("holds", 0.0, 0.0) == ["w"]
    assert site.leave("wants", 0.0, 0.0) == []
    for number in range(10):
        site.enter(f"u{number}", "u", 0.0)
        site.leave(f"u{number}", 0.0, 0.0)
    assert len(site._tenants) <= REMEMBERED_MAX + 1


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["enter", "leave", "withdraw"])), max_size=80),
    st.integers(1, 3),
    st.integers(0, 2),
)
def test_bounds_hold_and_nobody_waits_while_there_is_room(
    steps: list[tuple[str, str]], running_max: int, spare: int
) -> None:
    site: FairTurns[tuple[str, int]] = FairTurns(running_max=running_max, spare=spare, heavy_max=9)
    running: list[str] = []
    waiting: list[tuple[str, int]] = []
    for number, (tenant, step) in enumerate(steps):
        now_s = float(number)
        if step == "enter":
            token = (tenant, number)
            if site.enter(tenant, token, now_s):
                running.append(tenant)
            else:
                waiting.append(token)
        elif step == "leave" and tenant in running:
            running.remove(tenant)
            for called in site.leave(tenant, 1.0, now_s):
                waiting.remove(called)
                running.append(called[0])
        elif step == "withdraw" and any(each[0] == tenant for each in waiting):
            token = next(each for each in waiting if each[0] == tenant)
            assert site.withdraw(tenant, token)
            waiting.remove(token)
        assert (site.running, site.waiting) == (len(running), len(waiting))
        assert len(running) <= running_max + spare
        if waiting:
            assert len(running) >= running_max
            assert all(running.count(each[0]) or len(running) >= running_max + spare for each in waiting)
