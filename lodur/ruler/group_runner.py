"""One group on its way: takes its lease, evaluates turn by turn, keeps its state, passes on what came of it.

A turn whose state another process has replaced meanwhile is thrown away: that process evaluates now. Start at
`GroupRunner.turn`.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Protocol

import structlog

from lodur.model.clock import Clock
from lodur.model.durations import NS_PER_S
from lodur.model.errors import LodurError, Unavailable
from lodur.ruler.alerts import restored
from lodur.ruler.evaluation import GroupEvaluation, Outcome
from lodur.ruler.group_state import GroupState, RuleState
from lodur.ruler.groups import AlertingRule, RuleGroup, rule_keys
from lodur.ruler.leases import LEASE_NS, Lease, Leases
from lodur.ruler.options import RulerLimitsOf, RulerOptions
from lodur.ruler.outputs import Outputs
from lodur.ruler.queries import Ask
from lodur.ruler.schedule import missed_turns, next_turn_ns
from lodur.ruler.template.alert_template import AlertTemplates
from lodur.telemetry.ruler_metrics import RulerMetrics

RENEWED_BEFORE_NS = 20 * NS_PER_S
"""A lease is renewed with the turn after which it would last no longer than this beyond the next one."""

_log = structlog.get_logger(__name__)


class Surroundings(Protocol):
    """What all groups of a ruler share."""

    @property
    def options(self) -> RulerOptions: ...
    @property
    def limits_of(self) -> RulerLimitsOf: ...
    @property
    def ask(self) -> Ask: ...
    @property
    def leases(self) -> Leases: ...
    @property
    def outputs(self) -> Outputs: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def metrics(self) -> RulerMetrics: ...


class GroupRunner:
    """A group that this process evaluates, as long as no other does. Belongs to the event loop."""

    def __init__(self, group: RuleGroup, around: Surroundings) -> None:
        self._around = around
        options = around.options
        templates = AlertTemplates(options.external_labels, options.external_url)
        self._evaluation = GroupEvaluation(
            group, around.ask, templates, around.clock, resend_delay_ns=options.resend_delay_ns
        )
        self._lease: Lease | None = None
        self._state = GroupState()
        self._labels = (group.id.tenant.value, group.id.key if options.group_label else "")
        self._measure_group()

    @property
    def group(self) -> RuleGroup:
        return self._evaluation.group

    @property
    def state(self) -> GroupState | None:
        """How the group has fared; None where another process evaluates it."""
        return self._state if self._lease is not None else None

    def change(self, group: RuleGroup) -> None:
        """Evaluate another version of the group; what is known of rules that stay is kept."""
        self._evaluation.change(group)
        self._measure_group()

    def next_ns(self) -> int:
        """When the group is due."""
        group = self.group
        return next_turn_ns(group.id, group.interval_ns, self._around.clock.now_ns())

    async def turn(self, at_ns: int) -> None:
        """Evaluate the group as of `at_ns` unless another process does. Errors are logged."""
        try:
            if not await self._has_lease():
                return
            limits = self._around.limits_of(self.group.id.tenant)
            outcome = await self._evaluation.turn(at_ns, self._state, delay_ns=limits.evaluation_delay_ns)
            self._count(at_ns, outcome)
            self._state = outcome.state
            if await self._keep():
                await self._pass_on(outcome)
        except (LodurError, OSError) as error:
            _log.error("group was not evaluated", **self._named(), err=str(error))

    async def stop(self, *, is_gone: bool) -> None:
        """Let others evaluate the group; one that is gone is forgotten, its series end."""
        lease, self._lease = self._lease, None
        if lease is None:
            return
        leases, group = self._around.leases, self.group.id
        try:
            if is_gone:
                await self._around.outputs.record(group.tenant, self._evaluation.end_all(self._around.clock.now_ns()))
                await asyncio.to_thread(leases.forget, group)
            else:
                await asyncio.to_thread(leases.give_back, group, lease, self._state)
        except (LodurError, OSError) as error:
            _log.warning("group was not given back, its lease runs out by itself", **self._named(), err=str(error))
        if is_gone:
            self._around.metrics.forget_group(*self._labels)

    async def _has_lease(self) -> bool:
        now_ns = self._around.clock.now_ns()
        if self._lease is not None and now_ns < self._lease.until_ns:
            return True
        try:
            lease = await asyncio.to_thread(self._around.leases.take, self.group.id)
        except Unavailable as error:
            if self._lease is None:
                raise
            # Where the store is away nobody else can take the group: an alert told twice does less harm than none.
            _log.warning("lease cannot be renewed, the group is evaluated without", **self._named(), err=str(error))
            return True
        if lease is None:
            if self._lease is not None:
                _log.info("another process evaluates the group now", **self._named())
            self._lease = None
            return False
        if self._lease is None or lease.state.evaluated_at_ns > self._state.evaluated_at_ns:
            self._state = self._restored(lease.state)
        self._lease = lease
        return True

    async def _pass_on(self, outcome: Outcome) -> None:
        """Tell and record what came of a turn; neither waits for the other to be possible."""
        outputs = self._around.outputs
        try:
            await outputs.tell(self.group, outcome.told)
        except (LodurError, OSError) as error:
            _log.error("alerts cannot be sent", **self._named(), err=str(error))
        await outputs.record(self.group.id.tenant, outcome.samples)

    async def _keep(self) -> bool:
        """Write the state where it matters; whether the group is still this process'."""
        lease = self._lease
        assert lease is not None
        ends_soon = lease.until_ns - self._around.clock.now_ns() < self.group.interval_ns + RENEWED_BEFORE_NS
        if self._state.essence() == lease.state.essence() and not ends_soon:
            return True
        try:
            renewed = await asyncio.to_thread(self._around.leases.renew, self.group.id, lease, self._state)
        except Unavailable as error:
            _log.warning("state cannot be kept, the next turn tries again", **self._named(), err=str(error))
            return True
        if renewed is None:
            _log.warning("another process has taken the group, this turn is dropped", **self._named())
        self._lease = renewed
        return renewed is not None

    def _restored(self, stored: GroupState) -> GroupState:
        """The state that another process, or this one before its restart, has left."""
        options, group = self._around.options, self.group
        by_key = {rule.key: rule for rule in stored.rules}
        rules: list[RuleState] = []
        for key, rule in zip(rule_keys(group.rules), group.rules, strict=True):
            known = by_key.get(key)
            if known is None:
                continue
            if isinstance(rule, AlertingRule):
                alerts = (
                    restored(
                        rule,
                        alert,
                        down_at_ns=stored.evaluated_at_ns,
                        now_ns=self._around.clock.now_ns(),
                        short_pause_ns=2 * (group.interval_ns + LEASE_NS),
                        outage_tolerance_ns=options.outage_tolerance_ns,
                        grace_period_ns=options.grace_period_ns,
                    )
                    for alert in known.alerts
                )
                known = replace(known, alerts=tuple(alert for alert in alerts if alert is not None))
            rules.append(known)
        return replace(stored, rules=tuple(rules))

    def _count(self, at_ns: int, outcome: Outcome) -> None:
        metrics, labels = self._around.metrics, self._labels
        turns = 1
        if self._state.evaluated_at_ns:
            missed = missed_turns(self._state.evaluated_at_ns, at_ns, self.group.interval_ns)
            metrics.group_missed.labels(*labels).inc(missed)
            turns += missed
        metrics.group_turns.labels(*labels).inc(turns)
        metrics.evaluations.labels(*labels).inc(len(outcome.state.rules))
        metrics.failures.labels(*labels).inc(outcome.failures)
        metrics.group_duration.labels(*labels).set(outcome.state.duration_s)
        metrics.turn_seconds.observe(outcome.state.duration_s)
        metrics.group_time.labels(*labels).set(at_ns / NS_PER_S)

    def _measure_group(self) -> None:
        metrics, labels = self._around.metrics, self._labels
        metrics.group_rules.labels(*labels).set(len(self.group.rules))
        metrics.group_interval.labels(*labels).set(self.group.interval_ns / NS_PER_S)

    def _named(self) -> dict[str, str]:
        group = self.group.id
        return {"tenant": group.tenant.value, "namespace": group.namespace, "group": group.name}
