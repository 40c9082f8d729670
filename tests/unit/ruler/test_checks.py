"""What is wrong with rules, in Loki's words."""

from __future__ import annotations

import pytest

from lodur.model.durations import NS_PER_MINUTE
from lodur.model.errors import InvalidRequest
from lodur.model.tenant import TenantId
from lodur.ruler.checks import checked_group, defects_of, repeated_names
from lodur.ruler.groups import AlertingRule, GroupId, RecordingRule, rule_keys
from lodur.ruler.written import decode_file, decode_group

ID = GroupId(TenantId("t"), "ns", "a")


@pytest.mark.parametrize(
    ("rule", "texts"),
    [
        ("alert: A, expr: 'vector(1)'", []),
        ("alert: A, expr: '{app=\"x\"}'", []),
        (
            "alert: A, expr: 'sum('",
            [
                "could not parse expression for alert 'A' in group 'a': parse error at line 1, col 5: "
                "syntax error: unexpected $end"
            ],
        ),
        ("expr: 'vector(1)'", ["one of 'record' or 'alert' must be set"]),
        ("record: r, alert: A, expr: 'vector(1)'", ["only one of 'record' and 'alert' must be set"]),
        ("alert: A", ["field 'expr' must be set in rule"]),
        ("record: r, expr: 'vector(1)', for: 1m", ["invalid field 'for' in recording rule"]),
        ("record: r, expr: 'vector(1)', keep_firing_for: 1m", ["invalid field 'keep_firing_for' in recording rule"]),
        ("record: r, expr: 'vector(1)', annotations: {a: b}", ["invalid field 'annotations' in recording rule"]),
        ("record: A-b, expr: 'vector(1)'", ["invalid recording rule name: A-b"]),
        ("alert: A, expr: 'vector(1)', labels: {a-b: c}", ["invalid label name: a-b"]),
        ("alert: A, expr: 'vector(1)', labels: {__name__: c}", ["invalid label name: __name__"]),
        ("alert: A, expr: 'vector(1)', annotations: {a-b: c}", ["invalid annotation name: a-b"]),
        (
            "alert: A, expr: 'vector(1)', annotations: {x: '{{ $value'}",
            ['annotation "x": template: __alert_A:1: unclosed action'],
        ),
        ("record: r, expr: 'vector(1)', labels: {x: '{{ $value'}", []),
    ],
)
def test_rules(rule: str, texts: list[str]) -> None:
    group = decode_group(f"{{name: a, rules: [{{{rule}}}]}}")
    found = [defect.text for defect in defects_of(group)]
    assert [text.split(",")[0] for text in found] == [text.split(",")[0] for text in texts]
    if not texts:
        assert len(checked_group(group, ID, NS_PER_MINUTE).rules) == 1
    else:
        with pytest.raises(InvalidRequest):
            checked_group(group, ID, NS_PER_MINUTE)


def test_groups_need_names_and_one_each() -> None:
    assert [one.text for one in defects_of(decode_group("rules: []"))] == ["group 0: Groupname must not be empty"]
    groups = decode_file("groups: [{name: a}, {name: b}, {name: a}]")
    assert [one.text for one in repeated_names(groups)] == ['groupname: "a" is repeated in the same file']


def test_what_is_evaluated() -> None:
    text = """
name: a
rules:
- {alert: A, expr: ' vector(1) ', for: 1m, labels: {b: c, a: d}}
- {record: r, expr: 'vector(1)'}
- {record: r, expr: 'vector(2)'}
"""
    group = checked_group(decode_group(text), ID, NS_PER_MINUTE)
    assert group.interval_ns == NS_PER_MINUTE
    assert group.rules == (
        AlertingRule("A", "vector(1)", NS_PER_MINUTE, 0, (("a", "d"), ("b", "c"))),
        RecordingRule("r", "vector(1)"),
        RecordingRule("r", "vector(2)"),
    )
    assert len(set(rule_keys(group.rules))) == 3
