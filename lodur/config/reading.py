"""Hold a YAML tree against a schema: values, ignored keys, and everything that is wrong.

Nothing stops at the first mistake: problems are collected with their lines. Start at `read_block`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches

from lodur.config.errors import BadValue, Problem
from lodur.config.kinds import SHOWN_CHARS_MAX, wrong_type
from lodur.config.schema import InertKey, MisplacedKey, RemovedKey, Schema, Setting
from lodur.config.values import Values
from lodur.config.yaml_nodes import MappingNode, Node, ScalarNode, SequenceNode, is_null

PLACES_SHOWN_MAX = 3
"""A name that is at home in more blocks than this is no hint."""

CLOSE_ENOUGH = 0.72
"""How alike two keys must be to be taken for a slip of the pen (difflib's ratio)."""


@dataclass(frozen=True, slots=True)
class IgnoredKey:
    """A key of the file that has no effect."""

    path: str
    line: int
    reason: str


@dataclass(slots=True)
class Reading:
    """What was found so far."""

    schema: Schema
    nodes: dict[str, Node] = field(default_factory=dict)
    ignored: list[IgnoredKey] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def values(self) -> Values:
        """The values that were found."""
        return Values(self.nodes)


def read_block(schema: Schema, node: Node) -> Reading:
    """Read a whole tree."""
    reading = Reading(schema)
    _read_block(reading, "", node)
    return reading


def _read_block(reading: Reading, block: str, node: Node) -> None:
    if is_null(node):
        return
    type_name = reading.schema.type_name(block)
    if not isinstance(node, MappingNode):
        reading.problems.extend(wrong_type(node, type_name).problems)
        return
    for key, value in _unique(reading, node, f"in type {type_name}"):
        _read_key(reading, block, key, value)


def _unique(reading: Reading, node: MappingNode, where: str) -> Iterator[tuple[ScalarNode, Node]]:
    first: dict[str, int] = {}
    for key, value in node.entries:
        if key.text in first:
            text = f"field {key.text[:SHOWN_CHARS_MAX]} already set {where} (first at line {first[key.text]})"
            reading.problems.append(Problem(key.line, text))
            continue
        first[key.text] = key.line
        yield key, value


def _read_key(reading: Reading, block: str, key: ScalarNode, value: Node) -> None:
    schema = reading.schema
    path = f"{block}.{key.text}" if block else key.text
    match schema.entry(block, key.text):
        case Setting() as setting:
            _read_setting(reading, setting, key, value)
        case InertKey(reason=reason):
            reading.ignored.append(IgnoredKey(path, key.line, reason))
            _check_ignored(reading, path, value)
        case RemovedKey() | MisplacedKey() as entry:
            reading.problems.append(_refused(schema, entry, block, key))
        case None if path in schema.blocks and "." not in key.text:
            _read_block(reading, path, value)
        case None:
            hint = _hint(schema, block, key.text)
            reading.problems.append(Problem(key.line, _not_found(schema, block, key.text) + hint))


def _read_setting(reading: Reading, setting: Setting[object], key: ScalarNode, value: Node) -> None:
    if is_null(value):
        return
    try:
        setting.kind.parse(value)
    except BadValue as error:
        reading.problems.extend(
            Problem(problem.line, f"{problem.text} in {setting.path}") for problem in error.problems
        )
        return
    reading.nodes[setting.path] = value
    if setting.ignored:
        reading.ignored.append(IgnoredKey(setting.path, key.line, setting.ignored))
        return
    for part in setting.kind.ignored(value):
        reading.ignored.append(IgnoredKey(f"{setting.path}.{part.path}", part.line, part.reason))


def _check_ignored(reading: Reading, path: str, node: Node) -> None:
    """Below an ignored key only duplicates and keys that are known to be wrong are errors."""
    match node:
        case SequenceNode(items=items):
            for item in items:
                _check_ignored(reading, path, item)
        case MappingNode():
            for key, value in _unique(reading, node, "in map"):
                below = f"{path}.{key.text}"
                entry = reading.schema.entry(path, key.text)
                if isinstance(entry, RemovedKey | MisplacedKey):
                    reading.problems.append(_refused(reading.schema, entry, path, key))
                else:
                    _check_ignored(reading, below, value)
        case ScalarNode():
            pass


def _not_found(schema: Schema, block: str, name: str) -> str:
    return f"field {name[:SHOWN_CHARS_MAX]} not found in type {schema.type_name(block)}"


def _refused(schema: Schema, entry: RemovedKey | MisplacedKey, block: str, key: ScalarNode) -> Problem:
    text = _not_found(schema, block, key.text)
    match entry:
        case RemovedKey(instead=instead):
            return Problem(key.line, f"{text} (it was removed in Loki 3: {instead})")
        case MisplacedKey(belongs=belongs):
            return Problem(key.line, f"{text} (it belongs at {belongs})")


def _hint(schema: Schema, block: str, name: str) -> str:
    prefix = f"{block}." if block else ""
    near = get_close_matches(name, schema.blocks.get(block, ()), n=1, cutoff=CLOSE_ENOUGH)
    places = schema.places_of(name)
    if places and len(places) <= PLACES_SHOWN_MAX:
        return f" (it belongs at {' or '.join(places)})"
    if near:
        return f" (did you mean {prefix}{near[0]}?)"
    return ""
