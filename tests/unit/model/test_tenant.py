from __future__ import annotations

import pytest

from lodur.model.errors import InvalidRequest, Unauthenticated
from lodur.model.tenant import TenantId, parse_tenant, parse_tenants


@pytest.mark.parametrize("header", ["a", "A-1_b.c*'()!", "x" * 150, "..."])
def test_valid_ids(header: str) -> None:
    assert str(parse_tenant(header)) == header


def test_what_follows_a_colon_is_dropped() -> None:
    assert parse_tenant("a:x:y") == TenantId("a")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("a b", "tenant ID 'a b' contains unsupported character ' '"),
        ("a/b", "tenant ID 'a/b' contains unsupported character '/'"),
        ("a\\b", "tenant ID 'a\\b' contains unsupported character '\\'"),
        ("größe", "tenant ID 'größe' contains unsupported character 'ö'"),
        ("x" * 151, "tenant ID is too long: max 150 characters"),
        (".", "tenant ID is '.' or '..'"),
        ("..", "tenant ID is '.' or '..'"),
        ("a|b", "multiple org IDs present"),
    ],
)
def test_refused_ids(header: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_tenant(header)
    assert str(refused.value) == message


@pytest.mark.parametrize("header", [None, "", ":x", "|"])
def test_missing_ids(header: str | None) -> None:
    with pytest.raises(Unauthenticated, match="no org id"):
        parse_tenants(header)


def test_several_tenants_are_sorted_and_unique() -> None:
    assert parse_tenants("b|a|b|") == (TenantId("a"), TenantId("b"))
