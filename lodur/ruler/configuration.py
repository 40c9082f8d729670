"""The rules of a tenant as people ask for them and change them, within the tenant's limits.

Blocking calls leave the event loop here. Start at `RuleConfiguration`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from lodur.model.errors import LimitExceeded, NotFound
from lodur.model.limits import LimitsOf
from lodur.model.tenant import TenantId
from lodur.ruler.checks import check_group
from lodur.ruler.rule_store import Namespaces, RuleStore, with_group, without_group, without_namespace
from lodur.ruler.written import WrittenGroup

GROUPS_LIMIT_TEXT = "per-user rule groups limit (limit: {limit} actual: {actual}) exceeded"
RULES_LIMIT_TEXT = "per-user rules per rule group limit (limit: {limit} actual: {actual}) exceeded"


class RuleConfiguration:
    """Reads and changes rules; who evaluates them is told of changes."""

    def __init__(self, store: RuleStore, limits_of: LimitsOf, on_change: Callable[[], None]) -> None:
        self._store = store
        self._limits_of = limits_of
        self._on_change = on_change

    async def namespaces(self, tenant: TenantId) -> Namespaces:
        """All groups of a tenant."""
        return await asyncio.to_thread(self._store.groups, tenant)

    async def group(self, tenant: TenantId, namespace: str, name: str) -> WrittenGroup:
        """One group. Raises NotFound."""
        for group in (await self.namespaces(tenant)).get(namespace, ()):
            if group.name == name:
                return group
        raise NotFound("group does not exist")

    async def put(self, tenant: TenantId, namespace: str, group: WrittenGroup) -> None:
        """Keep a group, in the place of one of its name. Raises InvalidRequest and LimitExceeded."""
        await asyncio.to_thread(check_group, group)
        limits = self._limits_of(tenant).rules

        def changed(known: Namespaces) -> Namespaces:
            if 0 < limits.rules_per_group_max < len(group.rules):
                text = RULES_LIMIT_TEXT.format(limit=limits.rules_per_group_max, actual=len(group.rules))
                raise LimitExceeded(text, limit="ruler_max_rules_per_rule_group", tenant=tenant.value)
            after = with_group(known, namespace, group)
            actual = sum(map(len, after.values()))
            if 0 < limits.groups_max < actual and actual > sum(map(len, known.values())):
                text = GROUPS_LIMIT_TEXT.format(limit=limits.groups_max, actual=actual)
                raise LimitExceeded(text, limit="ruler_max_rule_groups_per_tenant", tenant=tenant.value)
            return after

        await self._change(tenant, changed)

    async def delete_group(self, tenant: TenantId, namespace: str, name: str) -> None:
        """Forget a group; one that is not there is no error."""
        await self._change(tenant, lambda known: without_group(known, namespace, name))

    async def delete_namespace(self, tenant: TenantId, namespace: str) -> None:
        """Forget all groups of a namespace. Raises NotFound."""
        await self._change(tenant, lambda known: without_namespace(known, namespace))

    async def _change(self, tenant: TenantId, change: Callable[[Namespaces], Namespaces]) -> None:
        await asyncio.to_thread(self._store.change, tenant, change)
        self._on_change()
