"""Tenants: whose data it is. Rules and texts of the X-Scope-OrgID header."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lodur.model.errors import InvalidRequest, Unauthenticated

TENANT_ID_CHARS_MAX = 150
"""Longest tenant id: it is a folder name in every object store, and other servers draw the same line."""

_UNSUPPORTED = re.compile(r"[^a-zA-Z0-9!\-_.*'()]")


@dataclass(frozen=True, slots=True, order=True)
class TenantId:
    """A valid tenant id; InvalidRequest says what is wrong with any other text."""

    value: str

    def __post_init__(self) -> None:
        if found := _UNSUPPORTED.search(self.value):
            raise InvalidRequest(f"tenant ID '{self.value}' contains unsupported character '{found.group()}'")
        if len(self.value) > TENANT_ID_CHARS_MAX:
            raise InvalidRequest(f"tenant ID is too long: max {TENANT_ID_CHARS_MAX} characters")
        if self.value in (".", ".."):
            raise InvalidRequest("tenant ID is '.' or '..'")
        if not self.value:
            raise Unauthenticated("no org id")

    def __str__(self) -> str:
        return self.value


ANONYMOUS = TenantId("fake")
"""The tenant of every request where authentication is off."""


def parse_tenant(header: str | None) -> TenantId:
    """The one tenant that a header names; what follows a colon (a sub-tenant) is dropped.

    Raises Unauthenticated where it is missing or empty, InvalidRequest where it names several or is no tenant id.
    """
    tenants = parse_tenants(header)
    if len(tenants) > 1:
        raise InvalidRequest("multiple org IDs present")
    return tenants[0]


def parse_tenants(header: str | None) -> tuple[TenantId, ...]:
    """The tenants of a header `a|b|c`, sorted, each once, empty parts left out; same errors as `parse_tenant`."""
    if not header:
        raise Unauthenticated("no org id")
    parts = (part.partition(":")[0] for part in header.split("|"))
    if tenants := {TenantId(part) for part in parts if part}:
        return tuple(sorted(tenants))
    raise Unauthenticated("no org id")
