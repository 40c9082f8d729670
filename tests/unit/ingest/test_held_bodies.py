"""What is in memory of pushes is bounded, but one may always pass."""

from __future__ import annotations

import pytest

from lodur.ingest.held_bodies import HeldBodies
from lodur.model.errors import Unavailable
from lodur.model.tenant import TenantId

A, B = TenantId("a"), TenantId("b")


def test_one_alone_may_be_any_size() -> None:
    bodies = HeldBodies(10)
    with bodies.one(A) as body:
        body.grow(8)
        body.grow(100)
    assert bodies.size_bytes == 0


def test_bodies_count_from_their_first_byte_on() -> None:
    bodies = HeldBodies(10)
    with bodies.one(A) as first, bodies.one(B) as second:
        first.grow(4)
        second.grow(6)
        with pytest.raises(Unavailable, match="too many pushes at once"):
            second.grow(1)
        with pytest.raises(Unavailable):
            first.grow(1)
        assert bodies.size_bytes == 10
    assert bodies.size_bytes == 0


def read_and_fail(bodies: HeldBodies) -> None:
    with bodies.one(A) as body:
        body.grow(9)
        raise ValueError("cut")


def test_what_fails_is_let_go() -> None:
    bodies = HeldBodies(10)
    with pytest.raises(ValueError, match="cut"):
        read_and_fail(bodies)
    assert bodies.size_bytes == 0


def test_a_tenant_leaves_half_of_the_room_to_others() -> None:
    bodies = HeldBodies(10)
    with bodies.one(A) as first, bodies.one(A) as second, bodies.one(B) as other:
        first.grow(3)
        second.grow(2)
        with pytest.raises(Unavailable, match="too many pushes at once"):
            second.grow(1)
        other.grow(5)
    assert (bodies.size_bytes, bodies.by_tenant.total()) == (0, 0)
    with bodies.one(A) as alone:
        alone.grow(9)
