"""The life of alerts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lodur.model.durations import NS_PER_HOUR, NS_PER_MINUTE
from lodur.model.label_set import LabelSet
from lodur.ruler.alerts import Alert, needs_telling, next_alerts, restored, rule_phase
from lodur.ruler.groups import AlertingRule

RULE = AlertingRule("A", "x", for_ns=2 * NS_PER_MINUTE, keep_firing_for_ns=2 * NS_PER_MINUTE)
LABELS = LabelSet.of({"alertname": "A", "pod": "1"})


def seen(minute: int, value: float = 1.0) -> Alert:
    return Alert(LABELS, (), value, minute * NS_PER_MINUTE)


def lived(rule: AlertingRule, present: str) -> list[str]:
    """The phase of an alert after each minute; `x` is a minute with its series."""
    alerts: dict[LabelSet, Alert] = {}
    phases: list[str] = []
    for minute, mark in enumerate(present, 1):
        found = [seen(minute)] if mark == "x" else []
        alerts = next_alerts(rule, found, alerts, minute * NS_PER_MINUTE)
        phases.append(alerts[LABELS].phase[0] if LABELS in alerts else "-")
    return phases


@pytest.mark.parametrize(
    ("rule", "present", "phases"),
    [
        (RULE, "xxx", "ppf"),
        (RULE, "xx.xxx", "pp-ppf"),
        # Fires on for two minutes, then it is resolved, and kept for a quarter of an hour.
        (RULE, "xxx...", "ppfffi"),
        (RULE, "xxx.x...", "ppfffffi"),
        (RULE, "xxx" + "." * 20, "ppfff" + "i" * 15 + "i--"),
        (RULE, "xxx....xxx", "ppfffii" + "ppf"),
        (replace(RULE, for_ns=0, keep_firing_for_ns=0), "x.x", "fif"),
    ],
)
def test_phases(rule: AlertingRule, present: str, phases: str) -> None:
    assert "".join(lived(rule, present)) == phases


def test_times_of_an_alert() -> None:
    alerts = next_alerts(RULE, [seen(1)], {}, NS_PER_MINUTE)
    alerts = next_alerts(RULE, [seen(3, 7.0)], alerts, 3 * NS_PER_MINUTE)
    (alert,) = alerts.values()
    assert (alert.active_at_ns, alert.fired_at_ns, alert.value) == (NS_PER_MINUTE, 3 * NS_PER_MINUTE, 7.0)
    (alert,) = next_alerts(replace(RULE, keep_firing_for_ns=0), [], alerts, 4 * NS_PER_MINUTE).values()
    assert (alert.phase, alert.resolved_at_ns) == ("inactive", 4 * NS_PER_MINUTE)


def test_the_gravest_phase_is_the_rules() -> None:
    pending, firing = seen(1), replace(seen(1), fired_at_ns=1)
    assert rule_phase([]) == "inactive"
    assert rule_phase([replace(firing, resolved_at_ns=2), pending]) == "pending"
    assert rule_phase([pending, firing]) == "firing"


def test_who_is_told_when() -> None:
    delay = NS_PER_MINUTE
    firing = replace(seen(1), fired_at_ns=10 * NS_PER_MINUTE)
    assert not needs_telling(seen(1), 10 * NS_PER_MINUTE, delay)
    assert needs_telling(firing, 10 * NS_PER_MINUTE, delay)
    told = replace(firing, sent_at_ns=10 * NS_PER_MINUTE)
    assert not needs_telling(told, 10 * NS_PER_MINUTE + delay - 1, delay)
    assert needs_telling(told, 10 * NS_PER_MINUTE + delay, delay)
    resolved = replace(told, resolved_at_ns=10 * NS_PER_MINUTE + 1)
    assert needs_telling(resolved, 10 * NS_PER_MINUTE + 1, delay)


def after_pause(alert: Alert, pause_ns: int, for_ns: int = NS_PER_HOUR) -> Alert | None:
    return restored(
        replace(RULE, for_ns=for_ns),
        alert,
        down_at_ns=100 * NS_PER_MINUTE,
        now_ns=100 * NS_PER_MINUTE + pause_ns,
        short_pause_ns=2 * NS_PER_MINUTE,
        outage_tolerance_ns=NS_PER_HOUR,
        grace_period_ns=10 * NS_PER_MINUTE,
    )


def test_what_is_left_after_a_pause() -> None:
    pending = seen(70)
    firing = replace(pending, fired_at_ns=80 * NS_PER_MINUTE, sent_at_ns=90 * NS_PER_MINUTE)
    # A turn's pause changes nothing but that it is told anew.
    assert after_pause(pending, NS_PER_MINUTE) == pending
    assert after_pause(firing, NS_PER_MINUTE) == replace(firing, sent_at_ns=0)
    # 30 of its 60 minutes have passed before the pause; it waits for the other 30.
    assert after_pause(pending, 20 * NS_PER_MINUTE) == seen(90)
    # Only 5 of 35 minutes were left: it waits for the grace period.
    assert after_pause(pending, 20 * NS_PER_MINUTE, 35 * NS_PER_MINUTE) == seen(95)
    # A short rule is quicker to begin anew.
    assert after_pause(pending, 20 * NS_PER_MINUTE, 5 * NS_PER_MINUTE) is None
    assert after_pause(firing, 61 * NS_PER_MINUTE) is None
