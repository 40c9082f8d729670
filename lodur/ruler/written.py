"""Rules as people write them: the values of a YAML group before anything about them is checked.

Both ways: `decode_group` and `decode_file` read them, `group_yaml` and `namespaces_yaml` write them. Fields that are
unknown are left out and listed, for who wants to refuse them. Format: docs/reference/rules.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import yaml

from lodur.model.durations import format_prometheus_duration, parse_prometheus_duration
from lodur.wire.yaml_nodes import MappingNode, Node, ScalarNode, SequenceNode, YamlError, is_null, parse_yaml

LINE_CHARS_MAX = 4096
"""Expressions are not folded when they are written: people search for them."""


@dataclass(frozen=True, slots=True)
class WrittenRule:
    """One rule; what was not written is empty or 0."""

    record: str = ""
    alert: str = ""
    expr: str = ""
    for_ns: int = 0
    keep_firing_for_ns: int = 0
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    line: int = 0
    """In the text it was read from."""


@dataclass(frozen=True, slots=True)
class WrittenGroup:
    """A group; an interval of 0 is the ruler's own, a limit of 0 none."""

    name: str = ""
    interval_ns: int = 0
    limit: int = 0
    rules: tuple[WrittenRule, ...] = ()
    line: int = 0


@dataclass(frozen=True, slots=True)
class Defect:
    """What is wrong at a line."""

    line: int
    text: str


class NotRules(Exception):
    """A text that holds no rules; the defects say why, all of them."""

    def __init__(self, defects: Sequence[Defect]) -> None:
        super().__init__("; ".join(f"line {defect.line}: {defect.text}" for defect in defects))
        self.defects = tuple(defects)


@dataclass(slots=True)
class _Reading:
    defects: list[Defect] = field(default_factory=list)
    unknown: list[Defect] = field(default_factory=list)

    def entries(self, node: Node, known: str, what: str) -> dict[str, Node]:
        """The values of a map, by name."""
        if is_null(node):
            return {}
        if not isinstance(node, MappingNode):
            self.defects.append(Defect(node.line, f"{what} is no map"))
            return {}
        found: dict[str, Node] = {}
        for key, value in node.entries:
            if key.text in found:
                self.defects.append(Defect(key.line, f"'{key.text}' stands twice in {what}"))
            if known and key.text not in known.split():
                self.unknown.append(Defect(key.line, f"field {key.text} not found in {what}"))
            if not is_null(value):
                found[key.text] = value
        return found

    def text(self, node: Node | None) -> str:
        if node is None:
            return ""
        if not isinstance(node, ScalarNode):
            self.defects.append(Defect(node.line, "text is wanted here"))
            return ""
        return node.text

    def duration(self, node: Node | None) -> int:
        if node is None:
            return 0
        try:
            return parse_prometheus_duration(self.text(node))
        except ValueError as error:
            self.defects.append(Defect(node.line, str(error)))
            return 0

    def count(self, node: Node | None) -> int:
        text = self.text(node)
        if not text:
            return 0
        if len(text) > 9 or not text.isascii() or not text.isdigit():
            self.defects.append(Defect(node.line if node else 0, f"'{text[:40]}' is no number of series"))
            return 0
        return int(text)

    def texts(self, node: Node | None, what: str) -> dict[str, str]:
        if node is None:
            return {}
        return {name: self.text(value) for name, value in self.entries(node, "", what).items()}

    def items(self, node: Node | None, what: str) -> Sequence[Node]:
        if node is None:
            return ()
        if not isinstance(node, SequenceNode):
            self.defects.append(Defect(node.line, f"{what} is no list"))
            return ()
        return node.items

    def group(self, node: Node) -> WrittenGroup:
        found = self.entries(node, "name interval limit rules", "a group")
        return WrittenGroup(
            name=self.text(found.get("name")),
            interval_ns=self.duration(found.get("interval")),
            limit=self.count(found.get("limit")),
            rules=tuple(self.rule(item) for item in self.items(found.get("rules"), "rules")),
            line=node.line,
        )

    def rule(self, node: Node) -> WrittenRule:
        known = "record alert expr for keep_firing_for labels annotations"
        found = self.entries(node, known, "a rule")
        return WrittenRule(
            record=self.text(found.get("record")),
            alert=self.text(found.get("alert")),
            expr=self.text(found.get("expr")),
            for_ns=self.duration(found.get("for")),
            keep_firing_for_ns=self.duration(found.get("keep_firing_for")),
            labels=self.texts(found.get("labels"), "labels"),
            annotations=self.texts(found.get("annotations"), "annotations"),
            line=node.line,
        )

    def checked(self) -> None:
        if self.defects:
            raise NotRules(self.defects)


def decode_group(text: str) -> WrittenGroup:
    """The group that is the whole of a YAML or JSON text. Raises NotRules."""
    reading = _Reading()
    group = reading.group(_tree(text))
    reading.checked()
    return group


def decode_file(text: str, *, strict: bool = True) -> tuple[WrittenGroup, ...]:
    """The groups of a rule file; with `strict`, unknown fields are defects too. Raises NotRules."""
    reading = _Reading()
    # `namespace` stands in the files of other rulers' tools.
    found = reading.entries(_tree(text), "groups namespace", "the file")
    groups = tuple(reading.group(item) for item in reading.items(found.get("groups"), "groups"))
    if strict:
        reading.defects.extend(reading.unknown)
    reading.checked()
    return groups


def decode_namespaces(text: str) -> dict[str, tuple[WrittenGroup, ...]]:
    """Groups by namespace, as a server lists them. Raises NotRules."""
    reading = _Reading()
    found = reading.entries(_tree(text), "", "the list of namespaces")
    groups = {name: tuple(reading.group(item) for item in reading.items(node, name)) for name, node in found.items()}
    reading.checked()
    return groups


def namespace_in(text: str) -> str:
    """The namespace that a rule file names for itself; empty where it names none. Raises NotRules."""
    reading = _Reading()
    name = reading.text(reading.entries(_tree(text), "", "the file").get("namespace"))
    reading.checked()
    return name


def group_yaml(group: WrittenGroup) -> str:
    """A group as text."""
    return _yaml(_group_fields(group))


def namespaces_yaml(namespaces: Mapping[str, Iterable[WrittenGroup]]) -> str:
    """Groups by namespace as text."""
    return _yaml({name: [_group_fields(group) for group in groups] for name, groups in namespaces.items()})


def file_yaml(groups: Iterable[WrittenGroup]) -> str:
    """A rule file."""
    return _yaml({"groups": [_group_fields(group) for group in groups]})


def _tree(text: str) -> Node:
    try:
        tree = parse_yaml(text)
    except YamlError as error:
        raise NotRules([Defect(error.line, error.problem)]) from error
    return tree if tree is not None else MappingNode(())


def _yaml(value: object) -> str:
    dumped: str = yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=LINE_CHARS_MAX, default_flow_style=False
    )
    return dumped


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, and lists indented, as people do."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text_node)


def _group_fields(group: WrittenGroup) -> dict[str, object]:
    fields: dict[str, object] = {"name": group.name}
    if group.interval_ns:
        fields["interval"] = format_prometheus_duration(group.interval_ns)
    if group.limit:
        fields["limit"] = group.limit
    fields["rules"] = [_rule_fields(rule) for rule in group.rules]
    return fields


def _rule_fields(rule: WrittenRule) -> dict[str, object]:
    fields: dict[str, object] = {
        "record": rule.record,
        "alert": rule.alert,
        "expr": rule.expr,
        "for": format_prometheus_duration(rule.for_ns) if rule.for_ns else "",
        "keep_firing_for": format_prometheus_duration(rule.keep_firing_for_ns) if rule.keep_firing_for_ns else "",
        "labels": dict(sorted(rule.labels.items())),
        "annotations": dict(sorted(rule.annotations.items())),
    }
    return {name: value for name, value in fields.items() if value}
