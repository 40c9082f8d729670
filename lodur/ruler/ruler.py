"""The ruler: reads the rules of all tenants from time to time, and runs each group at its times.

Several processes may do so over one store; a lease on each group sees to it that one evaluates it (see `leases`).
Start at `Ruler.run`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from lodur.model.clock import Clock
from lodur.model.durations import NS_PER_S
from lodur.model.errors import InvalidRequest, LodurError
from lodur.model.tenant import TenantId
from lodur.ruler.checks import checked_group
from lodur.ruler.group_runner import GroupRunner
from lodur.ruler.group_state import GroupState
from lodur.ruler.groups import GroupId, RuleGroup
from lodur.ruler.leases import Leases
from lodur.ruler.options import RulerLimitsOf, RulerOptions
from lodur.ruler.outputs import Outputs
from lodur.ruler.queries import Ask
from lodur.ruler.rule_store import RuleStore
from lodur.ruler.written import WrittenGroup
from lodur.telemetry.ruler_metrics import RulerMetrics

WAIT_MAX_S = 10.0
"""A wait for a group's time is looked at anew after this: clocks are set, machines sleep."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RulerParts:
    """What a ruler works with."""

    options: RulerOptions
    limits_of: RulerLimitsOf
    store: RuleStore
    ask: Ask
    leases: Leases
    outputs: Outputs
    clock: Clock
    metrics: RulerMetrics


@dataclass(slots=True)
class _Running:
    runner: GroupRunner
    task: asyncio.Task[None]


class Ruler:
    """Evaluates the rules of all tenants. Belongs to the event loop."""

    def __init__(self, parts: RulerParts) -> None:
        self._parts = parts
        self._running: dict[GroupId, _Running] = {}
        self._checked_before: dict[GroupId, tuple[WrittenGroup, RuleGroup | None]] = {}
        self._turns = asyncio.Semaphore(parts.options.concurrent_groups)
        self._stopping = asyncio.Event()
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Evaluate until stopped; then give all groups back and send what waits."""
        poll_s = self._parts.options.poll_interval_ns / NS_PER_S
        try:
            await self._parts.outputs.start()
            while not self._stopping.is_set():
                self._woken.clear()
                await self._sync_safely()
                if not self._stopping.is_set():
                    await _wait(self._woken, poll_s)
        finally:
            await self._end()

    def stop(self) -> None:
        """Let `run` return."""
        self._stopping.set()
        self._woken.set()

    def notice(self) -> None:
        """Rules have changed: read them now."""
        self._woken.set()

    async def groups(self, tenant: TenantId) -> list[tuple[RuleGroup, GroupState]]:
        """A tenant's groups with how they have fared, whoever evaluates them."""
        found: list[tuple[RuleGroup, GroupState]] = []
        for group in await asyncio.to_thread(self._checked, tenant):
            running = self._running.get(group.id)
            state = running.runner.state if running is not None else None
            if state is None:
                state = await asyncio.to_thread(self._parts.leases.read, group.id)
            found.append((group, state))
        return found

    async def sync(self) -> None:
        """Start what is new, change what has changed, stop what is gone. Failures leave a tenant's groups alone."""
        try:
            tenants = await asyncio.to_thread(self._parts.store.tenants)
        except LodurError as error:
            self._failed(error, "")
            return
        wanted: dict[GroupId, RuleGroup] = {}
        for tenant in filter(self._parts.options.evaluates, tenants):
            try:
                wanted |= {group.id: group for group in await asyncio.to_thread(self._checked, tenant)}
            except LodurError as error:
                self._failed(error, tenant.value)
                wanted |= {key: one.runner.group for key, one in self._running.items() if key.tenant == tenant}
        for key in [key for key in self._running if key not in wanted]:
            running = self._running.pop(key)
            self._checked_before.pop(key, None)
            await _cancelled(running.task)
            await running.runner.stop(is_gone=True)
        for key, group in wanted.items():
            known = self._running.get(key)
            if known is None:
                runner = GroupRunner(group, self._parts)
                self._running[key] = _Running(runner, asyncio.create_task(self._drive(runner)))
            elif known.runner.group != group:
                known.runner.change(group)
        self._parts.metrics.groups_held.set(sum(one.runner.state is not None for one in self._running.values()))

    async def _sync_safely(self) -> None:
        log = _log.bind()
        try:
            await self.sync()
        except Exception:
            self._parts.metrics.sync_failures.inc()
            log.exception("rules could not be read, those known stay")

    async def _drive(self, runner: GroupRunner) -> None:
        """Run a group for ever."""
        log = _log.bind(tenant=runner.group.id.tenant.value, group=runner.group.id.key)
        while True:
            due_ns, interval_ns = runner.next_ns(), runner.group.interval_ns
            while (left_s := (due_ns - self._parts.clock.now_ns()) / NS_PER_S) > 0:
                await asyncio.sleep(min(left_s, WAIT_MAX_S))
                if runner.group.interval_ns != interval_ns:
                    due_ns, interval_ns = runner.next_ns(), runner.group.interval_ns
            async with self._turns:
                try:
                    await runner.turn(due_ns)
                except Exception:
                    log.exception("group was not evaluated")

    async def _end(self) -> None:
        running = list(self._running.values())
        self._running.clear()
        await asyncio.gather(*(_cancelled(one.task) for one in running))
        await asyncio.gather(*(one.runner.stop(is_gone=False) for one in running))
        await self._parts.outputs.close()

    def _checked(self, tenant: TenantId) -> list[RuleGroup]:
        """A tenant's groups; those that cannot be evaluated are logged and left out."""
        groups: list[RuleGroup] = []
        for namespace, written in self._parts.store.groups(tenant).items():
            for one in written:
                group = self._checked_group(GroupId(tenant, namespace, one.name), one)
                if group is not None:
                    groups.append(group)
        return groups

    def _checked_group(self, key: GroupId, written: WrittenGroup) -> RuleGroup | None:
        """A group as it is evaluated; those that have been checked are kept, for most never change."""
        known = self._checked_before.get(key)
        if known is not None and known[0] == written:
            return known[1]
        group: RuleGroup | None = None
        try:
            group = checked_group(written, key, self._parts.options.evaluation_interval_ns)
        except InvalidRequest as error:
            _log.error("group is wrong and not evaluated", tenant=key.tenant.value, group=key.key, err=str(error))
        self._checked_before[key] = (written, group)
        return group

    def _failed(self, error: LodurError, tenant: str) -> None:
        self._parts.metrics.sync_failures.inc()
        _log.error("rules could not be read, those known stay", tenant=tenant, err=str(error))


async def _wait(event: asyncio.Event, seconds: float) -> None:
    waiting = asyncio.ensure_future(event.wait())
    await asyncio.wait({waiting}, timeout=seconds)
    waiting.cancel()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
