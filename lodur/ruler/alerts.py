"""The life of alerts: pending, firing, resolved. Pure functions from what was to what is.

Start at `next_alerts`; `restored` says what is left of alerts after a pause.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from lodur.model.durations import NS_PER_MINUTE
from lodur.model.label_set import LabelSet
from lodur.ruler.groups import AlertingRule, Labels

RESOLVED_KEPT_NS = 15 * NS_PER_MINUTE
"""Resolved alerts are told for so long: an Alertmanager may have been away."""

Phase: TypeAlias = Literal["inactive", "pending", "firing"]


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert of one series; times are 0 where the event has not happened."""

    labels: LabelSet
    annotations: Labels
    value: float
    active_at_ns: int
    """When its series appeared."""
    fired_at_ns: int = 0
    resolved_at_ns: int = 0
    absent_since_ns: int = 0
    """When its series went away while it fires on."""
    sent_at_ns: int = 0
    """When it was last told."""

    @property
    def phase(self) -> Phase:
        if self.resolved_at_ns:
            return "inactive"
        return "firing" if self.fired_at_ns else "pending"


def next_alerts(
    rule: AlertingRule, found: Iterable[Alert], known: Mapping[LabelSet, Alert], at_ns: int
) -> dict[LabelSet, Alert]:
    """The alerts of a rule at `at_ns`: `found` are those of its series now, `known` those of the last time.

    Resolved ones are among them until they need not be told any more.
    """
    alerts: dict[LabelSet, Alert] = {}
    for seen in found:
        before = known.get(seen.labels)
        if before is not None and not before.resolved_at_ns:
            seen = replace(before, annotations=seen.annotations, value=seen.value, absent_since_ns=0)
        alerts[seen.labels] = _fired(rule, seen, at_ns)
    for labels, alert in known.items():
        if labels not in alerts and (left := _without_series(rule, alert, at_ns)) is not None:
            alerts[labels] = left
    return alerts


def _fired(rule: AlertingRule, alert: Alert, at_ns: int) -> Alert:
    if alert.phase == "pending" and at_ns - alert.active_at_ns >= rule.for_ns:
        return replace(alert, fired_at_ns=at_ns)
    return alert


def _without_series(rule: AlertingRule, alert: Alert, at_ns: int) -> Alert | None:
    """What becomes of an alert whose series is not there."""
    match alert.phase:
        case "pending":
            return None
        case "inactive":
            return None if at_ns - alert.resolved_at_ns > RESOLVED_KEPT_NS else alert
        case "firing":
            since_ns = alert.absent_since_ns or at_ns
            if at_ns - since_ns < rule.keep_firing_for_ns:
                return replace(alert, absent_since_ns=since_ns)
            return replace(alert, resolved_at_ns=at_ns)


def rule_phase(alerts: Iterable[Alert]) -> Phase:
    """The gravest phase of a rule's alerts."""
    phases = {alert.phase for alert in alerts}
    if "firing" in phases:
        return "firing"
    return "pending" if "pending" in phases else "inactive"


def needs_telling(alert: Alert, at_ns: int, resend_delay_ns: int) -> bool:
    """Whether Alertmanager is to be told of an alert now."""
    if alert.phase == "pending":
        return False
    if alert.resolved_at_ns > alert.sent_at_ns:
        return True
    return alert.sent_at_ns + resend_delay_ns <= at_ns or not alert.sent_at_ns


def restored(
    rule: AlertingRule,
    alert: Alert,
    *,
    down_at_ns: int,
    now_ns: int,
    short_pause_ns: int,
    outage_tolerance_ns: int,
    grace_period_ns: int,
) -> Alert | None:
    """An alert after nobody has evaluated its rule since `down_at_ns`; it is told anew. None: it begins anew.

    A short pause changes nothing. After a longer one, what was pending waits for the time that it had left, and for
    the grace period at least: its series may have gone and come back meanwhile.
    """
    paused_ns = now_ns - down_at_ns
    if paused_ns > outage_tolerance_ns:
        return None
    alert = replace(alert, sent_at_ns=0)
    if alert.phase != "pending" or paused_ns <= short_pause_ns:
        return alert
    if rule.for_ns < grace_period_ns:
        return None
    left_ns = rule.for_ns - (down_at_ns - alert.active_at_ns)
    if left_ns < grace_period_ns:
        return replace(alert, active_at_ns=now_ns + grace_period_ns - rule.for_ns)
    return replace(alert, active_at_ns=alert.active_at_ns + paused_ns)
