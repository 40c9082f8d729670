"""`-target`: Loki's module names, and the role that each of them is a part of."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from lodur.config.errors import ConfigError


class Role(StrEnum):
    """What a process does."""

    WRITE = "write"
    READ = "read"
    BACKEND = "backend"


_ALL = frozenset(Role)
_WRITE, _READ, _BACKEND = (frozenset({role}) for role in (Role.WRITE, Role.READ, Role.BACKEND))

ROLES_OF_TARGETS = {
    "all": _ALL,
    "write": _WRITE,
    "read": _READ,
    "backend": _BACKEND,
    "distributor": _WRITE,
    "ingester": _WRITE,
    "pattern-ingester": _WRITE,
    "ingest-limits": _WRITE,
    "ingest-limits-frontend": _WRITE,
    "dataobj-consumer": _WRITE,
    "querier": _READ,
    "query-frontend": _READ,
    "query-scheduler": _READ,
    "query-engine": _READ,
    "query-engine-scheduler": _READ,
    "query-engine-worker": _READ,
    "index-gateway": _READ,
    "bloom-gateway": _READ,
    "ui": _READ,
    "ruler": _BACKEND,
    "compactor": _BACKEND,
    "table-manager": _BACKEND,
    "overrides-exporter": _BACKEND,
    "bloom-planner": _BACKEND,
    "bloom-builder": _BACKEND,
    "dataobj-index-builder": _BACKEND,
}
"""The roles that a target starts."""


def roles_of(targets: Iterable[str]) -> frozenset[Role]:
    """All roles of some targets. Raises ConfigError for a name that is none."""
    roles: frozenset[Role] = frozenset()
    for target in targets:
        if target not in ROLES_OF_TARGETS:
            raise ConfigError(f"unrecognised module name: {target}")
        roles |= ROLES_OF_TARGETS[target]
    return roles or _ALL
