"""Kinds of values that are structures: a list or a map of records, each read against a schema of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from lodur.config.errors import BadValue, Problem
from lodur.config.kinds import IgnoredPart, Kind, wrong_type
from lodur.config.reading import read_block
from lodur.config.schema import Schema
from lodur.config.values import Values
from lodur.config.yaml_nodes import MappingNode, Node, SequenceNode, YamlError, parse_yaml, scalar

T = TypeVar("T")


def record_list(name: str, schema: Schema, build: Callable[[Values], T]) -> Kind[tuple[T, ...]]:
    """A YAML list of records. `build` makes the value; BadValue from it is reported at the record's line."""

    def parse(node: Node) -> tuple[T, ...]:
        if not isinstance(node, SequenceNode):
            raise wrong_type(node, f"[]{schema.type_name('')}", "use a list")
        return tuple(_all_read([(item, schema, build) for item in node.items]))

    def masked(node: Node) -> Node:
        if not isinstance(node, SequenceNode):
            return node
        return SequenceNode(tuple(_masked_record(schema, item) for item in node.items))

    def ignored(node: Node) -> list[IgnoredPart]:
        return _ignored(schema, [("", item) for item in node.items] if isinstance(node, SequenceNode) else [])

    return Kind(f"list of {name}", parse, _flow_node, masked, ignored)


def record_map(name: str, schema: Schema, build: Callable[[Values], T]) -> Kind[tuple[tuple[str, T], ...]]:
    """A YAML map from names to records."""

    def parse(node: Node) -> tuple[tuple[str, T], ...]:
        if not isinstance(node, MappingNode):
            raise wrong_type(node, f"map[string]{schema.type_name('')}", "use a map")
        values = _all_read([(value, schema, build) for _, value in node.entries])
        return tuple(zip((key.text for key, _ in node.entries), values, strict=True))

    def masked(node: Node) -> Node:
        if not isinstance(node, MappingNode):
            return node
        return MappingNode(tuple((key, _masked_record(schema, value)) for key, value in node.entries))

    def ignored(node: Node) -> list[IgnoredPart]:
        entries = node.entries if isinstance(node, MappingNode) else ()
        return _ignored(schema, [(f"{key.text}.", value) for key, value in entries])

    return Kind(f"map of {name}", parse, _flow_node, masked, ignored)


def map_of(kind: Kind[T]) -> Kind[tuple[tuple[str, T], ...]]:
    """A YAML map from names to values of a kind."""

    def parse(node: Node) -> tuple[tuple[str, T], ...]:
        if not isinstance(node, MappingNode):
            raise wrong_type(node, "map", "use a map")
        found: list[tuple[str, T]] = []
        problems: list[Problem] = []
        for key, value in node.entries:
            try:
                found.append((key.text, kind.parse(value)))
            except BadValue as error:
                problems += [Problem(problem.line or value.line, problem.text) for problem in error.problems]
        if problems:
            raise BadValue(*problems)
        return tuple(found)

    return Kind(f"map of {kind.name}", parse, _flow_node)


def _all_read(items: list[tuple[Node, Schema, Callable[[Values], T]]]) -> list[T]:
    values: list[T] = []
    problems: list[Problem] = []
    for node, schema, build in items:
        reading = read_block(schema, node)
        if reading.problems:
            problems.extend(reading.problems)
            continue
        try:
            values.append(build(reading.values()))
        except BadValue as error:
            problems.extend(Problem(problem.line or node.line, problem.text) for problem in error.problems)
    if problems:
        raise BadValue(*problems)
    return values


def _ignored(schema: Schema, records: list[tuple[str, Node]]) -> list[IgnoredPart]:
    """Each path once, where it stands first: what holds for one record of a list holds for all."""
    found: dict[str, IgnoredPart] = {}
    for prefix, record in records:
        for key in read_block(schema, record).ignored:
            path = f"{prefix}{key.path}"
            found.setdefault(path, IgnoredPart(path, key.line, key.reason))
    return list(found.values())


def _masked_record(schema: Schema, node: Node) -> Node:
    """The record with the masks of its settings; what is in no setting is not shown."""
    nodes = read_block(schema, node).nodes
    settings = {setting.path: setting for setting in schema.settings()}
    return nested({path: settings[path].kind.masked(value) for path, value in nodes.items()})


def nested(nodes: dict[str, Node]) -> MappingNode:
    """The tree of nodes known by dotted paths."""
    blocks: dict[str, dict[str, Node]] = {}
    order: list[str] = []
    for path, node in nodes.items():
        name, _, rest = path.partition(".")
        if rest:
            blocks.setdefault(name, {})[rest] = node
        if name not in order:
            order.append(name)
    return MappingNode(tuple((scalar(name), nested(blocks[name]) if name in blocks else nodes[name]) for name in order))


def _flow_node(text: str) -> Node:
    try:
        return parse_yaml(text) or scalar("")
    except YamlError as error:
        raise BadValue(Problem(0, error.problem)) from error
