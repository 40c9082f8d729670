"""One turn of one group: its rules one after the other, each with what it records and whom it alerts.

Reads no clock but for how long things take, keeps nothing: the state goes in and comes out. Start at
`GroupEvaluation.turn`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import structlog

from lodur.model.clock import Clock
from lodur.model.errors import InvalidRequest, LimitExceeded, LodurError
from lodur.model.label_set import LabelSet
from lodur.ruler.alerts import Alert, needs_telling, next_alerts
from lodur.ruler.group_state import GroupState, RuleState
from lodur.ruler.groups import AlertingRule, RecordingRule, RuleGroup, rule_keys
from lodur.ruler.queries import Ask, Vector
from lodur.ruler.template.alert_template import AlertTemplates
from lodur.wire.remote_write import STALE, Sample

METRIC_NAME = "__name__"
ALERT_NAME = "alertname"
ALERTS = "ALERTS"
ALERTS_FOR_STATE = "ALERTS_FOR_STATE"

TEMPLATES_S_MAX = 5.0
"""For all series of a rule: thousands of alerts as people write them."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a turn."""

    state: GroupState
    samples: tuple[Sample, ...]
    told: tuple[tuple[AlertingRule, Alert], ...]
    """Alerts that are to be sent."""
    failures: int


@dataclass(slots=True)
class _RuleOutcome:
    alerts: tuple[Alert, ...] = ()
    series: list[tuple[LabelSet, float]] = field(default_factory=list)
    told: list[Alert] = field(default_factory=list)


class GroupEvaluation:
    """Evaluates a group; remembers only which series it wrote last, to say when they end."""

    def __init__(
        self, group: RuleGroup, ask: Ask, templates: AlertTemplates, clock: Clock, *, resend_delay_ns: int
    ) -> None:
        self._group = group
        self._keys = rule_keys(group.rules)
        self._ask = ask
        self._templates = templates
        self._clock = clock
        self._resend_delay_ns = resend_delay_ns
        self._written: dict[str, frozenset[LabelSet]] = {}

    @property
    def group(self) -> RuleGroup:
        return self._group

    def change(self, group: RuleGroup) -> None:
        """Evaluate another version of the group from now on."""
        self._group = group
        self._keys = rule_keys(group.rules)

    async def turn(self, at_ns: int, state: GroupState, *, delay_ns: int = 0) -> Outcome:
        """Evaluate all rules at `at_ns`, over what was there `delay_ns` before: samples have that time."""
        began_s = self._clock.monotonic_s()
        before = {rule.key: rule for rule in state.rules}
        ts_ns = at_ns - delay_ns
        rules: list[RuleState] = []
        samples: list[Sample] = []
        told: list[tuple[AlertingRule, Alert]] = []
        failures = 0
        for key, rule in zip(self._keys, self._group.rules, strict=True):
            known = before.get(key, RuleState(key))
            rule_began_s = self._clock.monotonic_s()
            try:
                outcome = await self._rule(rule, known, at_ns, ts_ns)
                samples += self._samples(key, outcome.series, ts_ns)
                known = replace(known, health="ok", error="", alerts=outcome.alerts)
                if isinstance(rule, AlertingRule):
                    told += [(rule, alert) for alert in outcome.told]
            except LodurError as error:
                failures += 1
                known = replace(known, health="err", error=str(error))
                group = self._group.id
                _log.warning(
                    "rule failed",
                    tenant=str(group.tenant),
                    namespace=group.namespace,
                    group=group.name,
                    rule=rule.name,
                    err=str(error),
                )
                if isinstance(error, LimitExceeded) and error.limit == GROUP_LIMIT:
                    known = replace(known, alerts=())
            duration_s = self._clock.monotonic_s() - rule_began_s
            rules.append(replace(known, evaluated_at_ns=at_ns, duration_s=duration_s))
        samples += self._ended(ts_ns)
        after = GroupState(at_ns, self._clock.monotonic_s() - began_s, tuple(rules))
        return Outcome(after, tuple(samples), tuple(told), failures)

    def end_all(self, at_ns: int) -> list[Sample]:
        """Say of all series that they have ended: the group is no more."""
        self._keys = ()
        return self._ended(at_ns)

    async def _rule(self, rule: AlertingRule | RecordingRule, known: RuleState, at_ns: int, ts_ns: int) -> _RuleOutcome:
        group = self._group
        found = await self._ask(group.id.tenant, rule.expr, ts_ns)
        if isinstance(rule, RecordingRule):
            return _RuleOutcome(series=recorded(rule, found, group.limit, tenant=group.id.tenant.value))
        # Templates are a tenant's own: what they take must not be taken from others.
        seen = await asyncio.to_thread(self._seen, rule, found, at_ns)
        alerts = next_alerts(rule, seen, {alert.labels: alert for alert in known.alerts}, at_ns)
        active = [alert for alert in alerts.values() if not alert.resolved_at_ns]
        if 0 < group.limit < len(active):
            raise LimitExceeded(
                f"exceeded limit of {group.limit} with {len(active)} alerts",
                limit=GROUP_LIMIT,
                tenant=group.id.tenant.value,
            )
        told: list[Alert] = []
        for labels, alert in alerts.items():
            if needs_telling(alert, at_ns, self._resend_delay_ns):
                alerts[labels] = replace(alert, sent_at_ns=at_ns)
                told.append(alerts[labels])
        return _RuleOutcome(tuple(alerts.values()), list(alert_series(active)), told)

    def _seen(self, rule: AlertingRule, found: Vector, at_ns: int) -> list[Alert]:
        """An alert for each series, as if it were new."""
        seen: dict[LabelSet, Alert] = {}
        began_s = self._clock.monotonic_s()
        for series, value in found:
            if self._clock.monotonic_s() - began_s > TEMPLATES_S_MAX:
                raise LimitExceeded(
                    f"the templates of {len(found)} series take longer than {TEMPLATES_S_MAX:g} s",
                    limit="templates",
                    tenant=self._group.id.tenant.value,
                )

            def expand(
                texts: tuple[tuple[str, str], ...], series: LabelSet = series, value: float = value
            ) -> tuple[tuple[str, str], ...]:
                return self._templates.expand(texts, alert=rule.name, labels=series, value=value, now_ns=at_ns)

            named = {name: text for name, text in series if name != METRIC_NAME}
            labels = LabelSet.of(_present({**named, **dict(expand(rule.labels)), ALERT_NAME: rule.name}))
            if labels in seen:
                raise InvalidRequest(
                    "vector contains metrics with the same labelset after applying alert labels: give each series "
                    "labels of its own in the expression"
                )
            seen[labels] = Alert(labels, expand(rule.annotations), value, at_ns)
        return list(seen.values())

    def _samples(self, key: str, series: list[tuple[LabelSet, float]], ts_ns: int) -> list[Sample]:
        """Samples of these series, and ends of those that were there the last time."""
        labels = frozenset(one for one, _ in series)
        ended = self._written.get(key, frozenset()) - labels
        self._written[key] = labels
        return [
            *(Sample(one, ts_ns // 10**6, value) for one, value in series),
            *(Sample(one, ts_ns // 10**6, STALE) for one in sorted(ended)),
        ]

    def _ended(self, ts_ns: int) -> list[Sample]:
        """Ends of the series of rules that the group has no more."""
        gone = [key for key in self._written if key not in self._keys]
        ended = sorted({labels for key in gone for labels in self._written.pop(key)})
        still = {labels for written in self._written.values() for labels in written}
        return [Sample(labels, ts_ns // 10**6, STALE) for labels in ended if labels not in still]


GROUP_LIMIT = "limit"
"""The field of a group that bounds what a rule gives."""


def recorded(rule: RecordingRule, found: Vector, limit: int, *, tenant: str) -> list[tuple[LabelSet, float]]:
    """The series that a recording rule makes of a result. Raises InvalidRequest and LimitExceeded."""
    series: dict[LabelSet, float] = {}
    for labels, value in found:
        named = LabelSet.of(_present({**dict(labels.pairs), METRIC_NAME: rule.name, **dict(rule.labels)}))
        if named in series:
            raise InvalidRequest("vector contains metrics with the same labelset after applying rule labels")
        series[named] = value
    if 0 < limit < len(series):
        raise LimitExceeded(f"exceeded limit of {limit} with {len(series)} series", limit=GROUP_LIMIT, tenant=tenant)
    return list(series.items())


def alert_series(alerts: Iterable[Alert]) -> Iterable[tuple[LabelSet, float]]:
    """The series by which metrics stores know alerts."""
    for alert in alerts:
        named = dict(alert.labels.pairs)
        yield LabelSet.of({**named, METRIC_NAME: ALERTS, "alertstate": alert.phase}), 1.0
        yield LabelSet.of({**named, METRIC_NAME: ALERTS_FOR_STATE}), float(alert.active_at_ns // 10**9)


def _present(labels: dict[str, str]) -> dict[str, str]:
    """Labels without those that are empty, which are none."""
    return {name: value for name, value in labels.items() if value}
