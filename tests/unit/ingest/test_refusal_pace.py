"""When refusals are answered: a burst at once, then one after the other, and never too late for the client."""

from __future__ import annotations

from lodur.ingest.refusal_pace import BURST, REFUSALS_PER_S, WAIT_MAX_S, RefusalPace
from lodur.model.clock import ManualClock
from lodur.model.tenant import TenantId

A, B = TenantId("a"), TenantId("b")


def test_a_burst_is_answered_at_once_and_then_one_after_the_other() -> None:
    pace = RefusalPace(ManualClock(0))
    burst = int(BURST)
    waits = [pace.wait_s(A) for _ in range(burst + 4)]
    assert [round(wait, 6) for wait in waits] == [0.0] * burst + [step / REFUSALS_PER_S for step in range(1, 5)]
    assert pace.wait_s(B) == 0.0


def test_nobody_waits_longer_than_clients_do() -> None:
    pace = RefusalPace(ManualClock(0))
    assert max(pace.wait_s(A) for _ in range(10_000)) == WAIT_MAX_S


def test_who_was_quiet_has_its_burst_again() -> None:
    clock = ManualClock(0)
    pace = RefusalPace(clock)
    for _ in range(200):
        pace.wait_s(A)
    clock.advance(60)
    assert max(pace.wait_s(A) for _ in range(int(BURST))) < 1e-6
    assert pace.wait_s(A) > 0.01
