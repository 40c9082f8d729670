"""What is in memory of pushes is bounded, but one may always pass."""

from __future__ import annotations

import pytest

from lodur.ingest.held_bodies import HeldBodies
from lodur.model.errors import Unavailable


def test_one_alone_may_be_any_size() -> None:
    bodies = HeldBodies(10)
    with bodies.one() as body:
        body.grow(8)
        body.grow(100)
    assert bodies.size_bytes == 0


def test_bodies_count_from_their_first_byte_on() -> None:
    bodies = HeldBodies(10)
    with bodies.one() as first, bodies.one() as second:
        first.grow(6)
        second.grow(4)
        with pytest.raises(Unavailable, match="too many pushes at once"):
            second.grow(1)
        with pytest.raises(Unavailable):
            first.grow(1)
        assert bodies.size_bytes == 10
    assert bodies.size_bytes == 0


def test_what_fails_is_let_go() -> None:
    bodies = HeldBodies(10)

    def fail() -> None:
        with bodies.one() as body:
            body.grow(9)
            raise ValueError("cut")

    with pytest.raises(ValueError, match="cut"):
        fail()
    assert bodies.size_bytes == 0
