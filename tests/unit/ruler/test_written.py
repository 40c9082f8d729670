"""Rules in YAML, both ways."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodur.model.durations import NS_PER_MINUTE, NS_PER_MS, NS_PER_S
from lodur.ruler.written import (
    NotRules,
    WrittenGroup,
    WrittenRule,
    decode_file,
    decode_group,
    decode_namespaces,
    file_yaml,
    group_yaml,
    namespace_in,
    namespaces_yaml,
)
from tests.unit.ruler.comparing import without_lines

GROUP = """\
name: shop
interval: 1m30s
limit: 10
rules:
  - alert: NoOrders
    expr: |
      sum(rate({app="shop"} |= "order" [5m])) < 1
    for: 10m
    keep_firing_for: 5m
    labels:
      severity: page
    annotations:
      summary: 'orders: {{ $value }}'
  - record: shop:lines:rate1m
    expr: sum by (level) (rate({app="shop"}[1m]))
"""


def test_a_group_is_read() -> None:
    group = decode_group(GROUP)
    assert (group.name, group.interval_ns, group.limit) == ("shop", 90 * NS_PER_S, 10)
    alert, record = group.rules
    assert (alert.alert, alert.for_ns, alert.keep_firing_for_ns) == ("NoOrders", 10 * NS_PER_MINUTE, 5 * NS_PER_MINUTE)
    assert alert.annotations == {"summary": "orders: {{ $value }}"}
    assert (record.record, record.line) == ("shop:lines:rate1m", 14)


def test_a_group_is_written_as_people_write_it() -> None:
    assert group_yaml(decode_group(GROUP)) == GROUP


def test_json_is_yaml() -> None:
    body = json.dumps({"name": "g", "rules": [{"alert": "A", "expr": "vector(1)"}]})
    assert without_lines(decode_group(body)) == WrittenGroup("g", rules=(WrittenRule(alert="A", expr="vector(1)"),))


def test_unknown_fields_are_defects_of_files_only() -> None:
    text = "name: g\nsource_tenants: [a]\nrules: []\n"
    assert decode_group(text).name == "g"
    file = f"groups:\n- {text.replace(chr(10), chr(10) + '  ')}"
    assert decode_file(file, strict=False)[0].name == "g"
    with pytest.raises(NotRules, match="line 3: field source_tenants not found in a group"):
        decode_file(file)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "a group is no map"),
        ("name: [a]", "text is wanted"),
        ("rules: {a: b}", "rules is no list"),
        ("interval: soon", "not a valid duration"),
        ("limit: many", "no number of series"),
        ("limit: -1", "no number of series"),
        ("rules: [{labels: []}]", "labels is no map"),
        ("name: a\nname: b", "stands twice"),
        ("a: [", "line"),
        ("name: &x [*x]", "contains itself"),
    ],
)
def test_what_is_no_group(text: str, reason: str) -> None:
    with pytest.raises(NotRules, match=reason):
        decode_group(text)


def test_namespaces_and_files() -> None:
    group = without_lines(decode_group(GROUP))
    listed = decode_namespaces(namespaces_yaml({"a/b": [group], "c": [group]}))
    assert {name: [without_lines(one) for one in groups] for name, groups in listed.items()} == {
        "a/b": [group],
        "c": [group],
    }
    assert [without_lines(one) for one in decode_file(file_yaml([group]))] == [group]
    assert namespace_in("namespace: x\ngroups: []") == "x"


TEXTS = st.text(max_size=20).filter(lambda text: all(char.isprintable() or char == "\n" for char in text))
DURATIONS = st.integers(0, 10**7).map(lambda ms: ms * NS_PER_MS)
RULES = st.builds(
    WrittenRule,
    record=TEXTS,
    alert=TEXTS,
    expr=TEXTS,
    for_ns=DURATIONS,
    keep_firing_for_ns=DURATIONS,
    labels=st.dictionaries(TEXTS, TEXTS, max_size=3),
    annotations=st.dictionaries(TEXTS, TEXTS, max_size=3),
)
GROUPS = st.builds(
    WrittenGroup,
    name=TEXTS,
    interval_ns=DURATIONS,
    limit=st.integers(0, 10**6),
    rules=st.lists(RULES, max_size=3).map(tuple),
)


@given(GROUPS)
def test_what_is_written_is_read_back(group: WrittenGroup) -> None:
    assert without_lines(decode_group(group_yaml(group))) == group
