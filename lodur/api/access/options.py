"""What access control must be told. Values only; secrets stay in the files that are named here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TypeAlias

from lodur.model.tenant import TenantId


class Right(Enum):
    """What a user may do."""

    READ = "read"
    """Ask."""
    WRITE = "write"
    """Push."""
    ADMIN = "admin"
    """Flush, stop, delete, see the configuration, change what the server logs."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What one user may do, and for whom."""

    rights: frozenset[Right] = frozenset()
    tenants: frozenset[TenantId] = frozenset()
    every_tenant: bool = False
    """`tenants` does not matter: any may be named."""
    default_tenant: TenantId | None = None
    """The tenant of requests that name none; None where they must name one."""

    def allows(self, tenant: TenantId) -> bool:
        return self.every_tenant or tenant in self.tenants


NO_GRANT = Grant()
"""Of users that stand in a file of credentials and nowhere else."""


@dataclass(frozen=True, slots=True)
class AccessOptions:
    """Where credentials are, and what they are good for."""

    htpasswd_file: Path | None = None
    tokens_file: Path | None = None
    realm: str = "lodur"
    metrics_open: bool = False
    """Answer `/metrics` to everybody."""
    failures_per_minute: int = 10
    """Wrong passwords that one address may send for one user; 0 does not count them."""
    grants: Mapping[str, Grant] = field(default_factory=dict)
    """By user name."""
    users_file: Path | None = None
    """More of them; what it says of a user goes before `grants`."""


UsersReader: TypeAlias = Callable[[Path], Mapping[str, Grant]]
"""Reads the file of users. Raises InvalidRequest and OSError."""
