"""Retries are recognised by their bodies."""

from __future__ import annotations

import pytest

from lodur.ingest.recent_pushes import PUSHES_REMEMBERED_MAX, RecentPushes
from lodur.model.errors import Unavailable
from lodur.model.tenant import TenantId

A, B = TenantId("a"), TenantId("b")


def is_known(recent: RecentPushes, tenant: TenantId, kind: int, body: bytes) -> bool:
    with recent.keeping(tenant, kind, body) as known:
        return known


def test_a_body_is_known_once_it_is_kept() -> None:
    recent = RecentPushes()
    assert not is_known(recent, A, 16, b"x")
    assert is_known(recent, A, 16, b"x")
    assert not is_known(recent, B, 16, b"x")
    assert not is_known(recent, A, 17, b"x")
    assert not is_known(recent, A, 16, b"y")


def test_a_body_that_could_not_be_kept_is_not_known() -> None:
    recent = RecentPushes()
    with pytest.raises(OSError, match="full"), recent.keeping(A, 16, b"x"):
        raise OSError("full")
    assert not is_known(recent, A, 16, b"x")


def test_a_body_under_way_must_come_again() -> None:
    recent = RecentPushes()
    with recent.keeping(A, 16, b"x"), pytest.raises(Unavailable), recent.keeping(A, 16, b"x"):
        pass
    assert is_known(recent, A, 16, b"x")


def test_what_replay_found_is_known() -> None:
    recent = RecentPushes()
    recent.remember(A, 16, b"x")
    assert is_known(recent, A, 16, b"x")


def test_the_oldest_are_forgotten() -> None:
    recent = RecentPushes()
    for number in range(PUSHES_REMEMBERED_MAX + 1):
        recent.remember(A, 16, b"%d" % number)
    assert is_known(recent, A, 16, b"1")
    assert not is_known(recent, A, 16, b"0")
