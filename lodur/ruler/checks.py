"""Whether rules that somebody wrote can be evaluated, in the words that clients of Loki know.

Start at `defects_of` (all that is wrong) and `checked_group` (the group, or the first defect as an error).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lodur.logql.parser import parse_query
from lodur.model.errors import InvalidRequest, QuerySyntaxError
from lodur.ruler.groups import AlertingRule, GroupId, RecordingRule, Rule, RuleGroup
from lodur.ruler.template.alert_template import check_alert_template
from lodur.ruler.written import Defect, WrittenGroup, WrittenRule

_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_METRIC_LABEL = "__name__"


def defects_of(group: WrittenGroup, number: int = 0) -> list[Defect]:
    """All that is wrong in a group, which is the `number`th of its file."""
    defects: list[Defect] = []
    if not group.name:
        defects.append(Defect(group.line, f"group {number}: Groupname must not be empty"))
    for rule in group.rules:
        defects.extend(Defect(rule.line, text) for text in _rule_defects(group.name, rule))
    return defects


def repeated_names(groups: tuple[WrittenGroup, ...]) -> list[Defect]:
    """Groups of one file that have a name that stood there before."""
    seen: set[str] = set()
    defects: list[Defect] = []
    for group in groups:
        if group.name in seen:
            defects.append(Defect(group.line, f'groupname: "{group.name}" is repeated in the same file'))
        seen.add(group.name)
    return defects


def check_group(group: WrittenGroup) -> None:
    """Raise the first defect as InvalidRequest."""
    for defect in defects_of(group):
        raise InvalidRequest(defect.text)


def checked_group(group: WrittenGroup, named: GroupId, default_interval_ns: int) -> RuleGroup:
    """The group as it is evaluated. Raises InvalidRequest."""
    check_group(group)
    rules = tuple(map(_rule_of, group.rules))
    return RuleGroup(named, group.interval_ns or default_interval_ns, group.limit, rules)


def _rule_of(rule: WrittenRule) -> Rule:
    labels = tuple(sorted(rule.labels.items()))
    if rule.record:
        return RecordingRule(rule.record, rule.expr.strip(), labels)
    annotations = tuple(sorted(rule.annotations.items()))
    return AlertingRule(rule.alert, rule.expr.strip(), rule.for_ns, rule.keep_firing_for_ns, labels, annotations)


def _rule_defects(group_name: str, rule: WrittenRule) -> Iterator[str]:
    if rule.record and rule.alert:
        yield "only one of 'record' and 'alert' must be set"
    if not rule.record and not rule.alert:
        yield "one of 'record' or 'alert' must be set"
    if not rule.expr:
        yield "field 'expr' must be set in rule"
    else:
        yield from _expression_defects(group_name, rule)
    if rule.record:
        yield from _recording_defects(rule)
    for name in rule.labels:
        if not _LABEL_NAME.fullmatch(name) or name == _METRIC_LABEL:
            yield f"invalid label name: {name}"
    for name in rule.annotations:
        if not _LABEL_NAME.fullmatch(name):
            yield f"invalid annotation name: {name}"
    if rule.alert:
        yield from _template_defects(rule, "label", rule.labels)
        yield from _template_defects(rule, "annotation", rule.annotations)


def _expression_defects(group_name: str, rule: WrittenRule) -> Iterator[str]:
    try:
        parse_query(rule.expr)
    except QuerySyntaxError as error:
        what = f"record '{rule.record}'" if rule.record else f"alert '{rule.alert}'"
        yield f"could not parse expression for {what} in group '{group_name}': {error}"


def _recording_defects(rule: WrittenRule) -> Iterator[str]:
    if rule.annotations:
        yield "invalid field 'annotations' in recording rule"
    if rule.for_ns:
        yield "invalid field 'for' in recording rule"
    if rule.keep_firing_for_ns:
        yield "invalid field 'keep_firing_for' in recording rule"
    if not _METRIC_NAME.fullmatch(rule.record):
        yield f"invalid recording rule name: {rule.record}"


def _template_defects(rule: WrittenRule, what: str, texts: dict[str, str]) -> Iterator[str]:
    for name, text in texts.items():
        if problem := check_alert_template(text, rule.alert):
            yield f'{what} "{name}": {problem}'
