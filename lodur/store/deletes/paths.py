"""Where delete requests and their audit trails lie in a store. Format: docs/formats/deletes.md."""

from __future__ import annotations

from lodur.model.tenant import TenantId


def deletes_folder(tenant: TenantId) -> str:
    return f"{tenant}/deletes"


def log_path(tenant: TenantId) -> str:
    return f"{deletes_folder(tenant)}/requests.json"


def audit_folder(tenant: TenantId) -> str:
    return f"{deletes_folder(tenant)}/audit"


def trail_path(tenant: TenantId, request_id: str) -> str:
    return f"{audit_folder(tenant)}/{request_id}.json"
