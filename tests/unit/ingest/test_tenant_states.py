"""Limits of a tenant that change: what was used up stays used up, and how bodies are decoded follows."""

from __future__ import annotations

from dataclasses import replace

from lodur.ingest.tenant_states import IDLE_S, TenantStates
from lodur.model.clock import ManualClock
from lodur.model.limits import IngestLimits
from lodur.model.tenant import TenantId

A, B = TenantId("a"), TenantId("b")


class Site:
    """Limits that a test changes."""

    def __init__(self) -> None:
        self.limits = {A: IngestLimits(), B: IngestLimits()}
        self.clock = ManualClock(0)
        self.states = TenantStates(
            self.limits.__getitem__, decompressed_max_bytes=1 << 20, listed_entries_max=10, clock=self.clock
        )


def test_a_state_lasts_until_its_limits_change() -> None:
    site = Site()
    before = site.states.of(A)
    assert site.states.of(A) is before
    site.limits[A] = replace(site.limits[A], line_bytes_max=5)
    after = site.states.of(A)
    assert after.limits.line_bytes_max == 5
    assert after.used is before.used
    assert after.decoding is not before.decoding


def test_tenants_with_equal_limits_share_how_they_are_decoded() -> None:
    site = Site()
    assert site.states.of(A).decoding is site.states.of(B).decoding
    assert site.states.of(A).used is not site.states.of(B).used


def test_states_that_nobody_asks_for_are_dropped() -> None:
    site = Site()
    idle, busy = site.states.of(A), site.states.of(B)
    site.clock.advance(IDLE_S - 1)
    assert site.states.of(B) is busy
    site.clock.advance(2)
    assert site.states.of(B) is busy
    assert site.states.of(A) is not idle
