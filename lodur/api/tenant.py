"""Whose request it is: the `X-Scope-OrgID` header, as far as authentication is on."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from lodur.model.errors import InvalidRequest
from lodur.model.tenant import ANONYMOUS, TenantId, parse_tenant, parse_tenants
from lodur.telemetry.request_facts import note_tenant

TENANT_HEADER = "X-Scope-OrgID"


@dataclass(frozen=True, slots=True)
class Tenancy:
    """How tenants are told apart."""

    auth_enabled: bool
    """Where off, the header is ignored and every request is of the tenant `fake`."""
    multi_tenant_queries: bool = False
    """Let a query name several tenants, joined by `|`."""

    def one(self, request: HTTPConnection) -> TenantId:
        """The tenant of a request that can have one only. Raises Unauthenticated and InvalidRequest."""
        tenant = parse_tenant(request.headers.get(TENANT_HEADER)) if self.auth_enabled else ANONYMOUS
        note_tenant(tenant.value)
        return tenant

    def all(self, request: HTTPConnection) -> tuple[TenantId, ...]:
        """The tenants of a query: sorted, each once, one at least. Raises Unauthenticated and InvalidRequest."""
        if not self.auth_enabled:
            note_tenant(ANONYMOUS.value)
            return (ANONYMOUS,)
        tenants = parse_tenants(request.headers.get(TENANT_HEADER))
        if len(tenants) > 1 and not self.multi_tenant_queries:
            raise InvalidRequest("multiple org IDs present")
        note_tenant("|".join(tenant.value for tenant in tenants))
        return tenants
