"""One turn of a group: what it records, whom it alerts, what of it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_MINUTE
from lodur.model.errors import InvalidRequest
from lodur.model.label_set import LabelSet
from lodur.model.tenant import TenantId
from lodur.ruler.evaluation import GroupEvaluation, Outcome
from lodur.ruler.group_state import GroupRecord, GroupState, decode_record, encode_record
from lodur.ruler.groups import AlertingRule, GroupId, RecordingRule, Rule, RuleGroup
from lodur.ruler.queries import Vector
from lodur.ruler.template.alert_template import AlertTemplates
from lodur.wire.remote_write import STALE

T0_NS = 1_700_000_000 * 10**9
ID = GroupId(TenantId("t"), "ns", "g")


def vector(**values: float) -> Vector:
    return [(LabelSet.of({"pod": pod, "__name__": "x"}), value) for pod, value in values.items()]


@dataclass
class Group:
    """A group over answers that a test gives."""

    rules: tuple[Rule, ...]
    limit: int = 0
    answers: dict[str, Vector] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)
    state: GroupState = field(default_factory=GroupState)

    def __post_init__(self) -> None:
        group = RuleGroup(ID, NS_PER_MINUTE, self.limit, self.rules)
        templates = AlertTemplates(LabelSet(), "")
        self.evaluation = GroupEvaluation(
            group, self._ask, templates, ManualClock(T0_NS), resend_delay_ns=NS_PER_MINUTE
        )

    async def _ask(self, tenant: TenantId, expr: str, time_ns: int) -> Vector:
        assert tenant == ID.tenant
        self.asked.append((expr, time_ns))
        if expr not in self.answers:
            raise InvalidRequest("no such query")
        return self.answers[expr]

    def turn(self, minute: int, answers: Mapping[str, Vector], *, delay_ns: int = 0) -> Outcome:
        self.answers = dict(answers)
        at_ns = T0_NS + minute * NS_PER_MINUTE
        outcome = asyncio.run(self.evaluation.turn(at_ns, self.state, delay_ns=delay_ns))
        # What is kept in the store is all that the next turn knows.
        stored = encode_record(GroupRecord("me", 0, outcome.state))
        self.state = decode_record(stored, "x").state
        return outcome


def shown(outcome: Outcome) -> list[tuple[str, float | str]]:
    return [
        (str(sample.labels), "stale" if sample.value is STALE else sample.value)
        for sample in sorted(outcome.samples, key=lambda sample: str(sample.labels))
    ]


def test_a_recording_rule_names_the_series_and_ends_those_that_are_gone() -> None:
    group = Group((RecordingRule("r:x", "q", (("team", "a"), ("pod", "all"))),))
    outcome = group.turn(0, {"q": vector(a=1.5)})
    assert shown(outcome) == [('{__name__="r:x", pod="all", team="a"}', 1.5)]
    assert {sample.time_ms for sample in outcome.samples} == {T0_NS // 10**6}
    plain = Group((RecordingRule("r:x", "q"),))
    plain.turn(0, {"q": vector(a=1, b=2)})
    assert shown(plain.turn(1, {"q": vector(b=3)})) == [
        ('{__name__="r:x", pod="a"}', "stale"),
        ('{__name__="r:x", pod="b"}', 3.0),
    ]
    assert shown(plain.turn(2, {"q": vector(b=3)})) == [('{__name__="r:x", pod="b"}', 3.0)]
    assert [sample.value is STALE for sample in plain.evaluation.end_all(T0_NS)] == [True]


def test_results_that_would_be_one_series_fail_the_rule() -> None:
    group = Group((RecordingRule("r", "q", (("pod", "all"),)),))
    outcome = group.turn(0, {"q": vector(a=1, b=2)})
    assert (outcome.samples, outcome.failures) == ((), 1)
    assert outcome.state.rules[0].error == "vector contains metrics with the same labelset after applying rule labels"


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        (RecordingRule("r", "q"), "exceeded limit of 1 with 2 series"),
        (AlertingRule("A", "q"), "exceeded limit of 1 with 2 alerts"),
    ],
)
def test_the_limit_of_the_group_fails_the_rule(rule: Rule, error: str) -> None:
    group = Group((rule,), limit=1)
    group.turn(0, {"q": vector(a=1)})
    outcome = group.turn(1, {"q": vector(a=1, b=2)})
    state = outcome.state.rules[0]
    assert (state.health, state.error, state.alerts) == ("err", error, ())
    assert not outcome.told
    assert group.turn(2, {"q": vector(a=1)}).state.rules[0].health == "ok"


def test_an_alert_from_pending_to_resolved() -> None:
    rule = AlertingRule(
        "Slow",
        "q",
        for_ns=NS_PER_MINUTE,
        labels=(("pod", "{{ $labels.pod | toUpper }}"), ("severity", "page"), ("none", "")),
        annotations=(("summary", "{{ $value }} s in {{ $labels.pod }}"),),
    )
    group = Group((rule,))
    labels = 'alertname="Slow", {}pod="A", severity="page"'
    pending = group.turn(0, {"q": vector(a=7)})
    assert not pending.told
    assert shown(pending) == [
        ("{" + labels.format('alertstate="pending", ').replace("alertname", '__name__="ALERTS", alertname') + "}", 1.0),
        ("{" + labels.format("").replace("alertname", '__name__="ALERTS_FOR_STATE", alertname') + "}", T0_NS / 1e9),
    ]
    ((told_rule, firing),) = group.turn(1, {"q": vector(a=8)}).told
    assert told_rule == rule
    assert str(firing.labels) == "{" + labels.format("") + "}"
    assert firing.annotations == (("summary", "8 s in a"),)
    resolved = group.turn(2, {"q": []})
    ((_, alert),) = resolved.told
    assert (alert.phase, alert.resolved_at_ns) == ("inactive", T0_NS + 2 * NS_PER_MINUTE)
    assert [value for _, value in shown(resolved)] == ["stale", "stale"]


def test_a_rule_that_fails_leaves_its_alerts_and_the_other_rules() -> None:
    group = Group((AlertingRule("A", "broken"), RecordingRule("r", "q")))
    group.turn(0, {"broken": vector(a=1), "q": vector(a=1)})
    outcome = group.turn(1, {"q": vector(a=1)})
    failed, fine = outcome.state.rules
    assert (failed.health, failed.error, len(failed.alerts)) == ("err", "no such query", 1)
    assert (fine.health, fine.evaluated_at_ns) == ("ok", T0_NS + NS_PER_MINUTE)
    assert [value for labels, value in shown(outcome) if '"r"' in labels] == [1.0]
    # The series of the rule that failed are not said to have ended.
    assert all(value != "stale" for _, value in shown(outcome))


def test_series_that_the_labels_make_one_alert_fail_the_rule() -> None:
    group = Group((AlertingRule("A", "q", labels=(("pod", "x"),)),))
    assert "same labelset after applying alert labels" in group.turn(0, {"q": vector(a=1, b=1)}).state.rules[0].error


def test_rules_are_asked_in_order_and_for_the_time_of_the_delay() -> None:
    group = Group((RecordingRule("r", "1"), RecordingRule("s", "2")))
    outcome = group.turn(5, {"1": vector(a=1), "2": vector(a=1)}, delay_ns=2 * NS_PER_MINUTE)
    at_ns = T0_NS + 3 * NS_PER_MINUTE
    assert group.asked == [("1", at_ns), ("2", at_ns)]
    assert {sample.time_ms for sample in outcome.samples} == {at_ns // 10**6}


def test_the_delay_is_not_of_the_alerts() -> None:
    group = Group((AlertingRule("A", "q"),))
    ((_, alert),) = group.turn(5, {"q": vector(a=1)}, delay_ns=2 * NS_PER_MINUTE).told
    assert alert.sent_at_ns == alert.fired_at_ns == T0_NS + 5 * NS_PER_MINUTE


class FlyingClock(ManualClock):
    """A second passes with each look at it."""

    def monotonic_s(self) -> float:
        self.advance(1)
        return super().monotonic_s()


def test_templates_that_take_too_long_fail_the_rule() -> None:
    rule = AlertingRule("A", "q", annotations=(("x", "{{ $value }}"),))

    async def ask(tenant: TenantId, expr: str, time_ns: int) -> Vector:
        return vector(**{f"pod{number}": 1.0 for number in range(20)})

    evaluation = GroupEvaluation(
        RuleGroup(ID, NS_PER_MINUTE, 0, (rule,)),
        ask,
        AlertTemplates(LabelSet(), ""),
        FlyingClock(T0_NS),
        resend_delay_ns=NS_PER_MINUTE,
    )
    outcome = asyncio.run(evaluation.turn(T0_NS, GroupState()))
    assert outcome.state.rules[0].error == "the templates of 20 series take longer than 5 s"


def test_values_that_json_has_none_for_are_kept() -> None:
    group = Group((AlertingRule("A", "q"),))
    group.turn(0, {"q": vector(a=float("inf"), b=float("nan"))})
    values = sorted(str(alert.value) for alert in group.state.rules[0].alerts)
    assert values == ["inf", "nan"]


def test_a_changed_group_keeps_what_its_rules_know() -> None:
    group = Group((AlertingRule("A", "q"), AlertingRule("B", "q")))
    group.turn(0, {"q": vector(a=1)})
    group.evaluation.change(RuleGroup(ID, NS_PER_MINUTE, 0, (AlertingRule("B", "p", for_ns=NS_PER_MINUTE),)))
    outcome = group.turn(1, {"p": vector(a=2)})
    (alert,) = outcome.state.rules[0].alerts
    assert (alert.active_at_ns, alert.phase) == (T0_NS, "firing")
    assert [labels for labels, value in shown(outcome) if value == "stale" and "alertstate" in labels] == [
        '{__name__="ALERTS", alertname="A", alertstate="firing", pod="a"}'
    ]
