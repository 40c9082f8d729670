"""Turn YAML text into a small tree that remembers lines, keeps duplicate keys, and is bounded.

Types are not decided here: a scalar keeps its text and the tag that YAML 1.1 gives it, and `kinds` makes values of it.
Aliases and merge keys are resolved. Built from the event stream, without recursion, so that neither nesting nor aliases
can exhaust the stack or the memory. Start at `parse_yaml`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

YAML_BYTES_MAX = 2**20
"""Largest file that is read: the parser needs seconds for it, and the longest that people show are a fiftieth."""

DEPTH_MAX = 64
"""Deepest nesting: code that walks a tree may recurse."""

NODES_MAX = 200_000
"""Most nodes with every alias counted at each use: aliases of aliases grow exponentially."""

_TAG_PREFIX = "tag:yaml.org,2002:"


class YamlError(Exception):
    """The text is not YAML that can be used; `line` counts from 1, 0 if unknown."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line
        self.problem = problem


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """A single value: its text, and `!!str`, `!!int`, `!!bool`, `!!float`, `!!null`, `!!timestamp` or a foreign tag."""

    text: str
    tag: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class SequenceNode:
    """A list."""

    items: tuple[Node, ...]
    line: int = 0


@dataclass(frozen=True, slots=True)
class MappingNode:
    """A map; entries in the order of the file, duplicates included, merged ones last."""

    entries: tuple[tuple[ScalarNode, Node], ...]
    line: int = 0


Node = ScalarNode | SequenceNode | MappingNode


@dataclass(slots=True)
class _Open:
    """A collection whose end has not been read."""

    is_mapping: bool
    anchor: str | None
    line: int
    children: list[Node] = field(default_factory=list)
    weight: int = 1


def scalar(text: str, tag: str = "!!str") -> ScalarNode:
    """A node that stands in no file."""
    return ScalarNode(text, tag)


def is_null(node: Node) -> bool:
    """Whether this is YAML's null, which leaves a setting at its default."""
    return isinstance(node, ScalarNode) and node.tag == "!!null"


def plain_scalar(text: str) -> ScalarNode:
    """The node of an unquoted scalar with this text."""
    return ScalarNode(text, _resolved_tag(text, (True, False)))


def parse_yaml(text: str, *, bytes_max: int = YAML_BYTES_MAX) -> Node | None:
    """The document's tree, None for an empty text. Raises YamlError."""
    if len(text.encode("utf-8", "surrogatepass")) > bytes_max:
        raise YamlError(0, f"more than {bytes_max} bytes")
    try:
        return _build(yaml.parse(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        raise YamlError(mark.line + 1 if mark else 0, problem) from error
    except yaml.reader.ReaderError as error:
        raise YamlError(0, f"{error.reason} at character {error.position}") from error
    except (ValueError, OverflowError) as error:
        # The scanner lets a \U escape above the last code point through to chr().
        raise YamlError(0, "an escape names no character") from error


_RESOLVER = yaml.resolver.Resolver()


def _resolved_tag(text: str, implicit: tuple[bool, bool]) -> str:
    return _short_tag(str(_RESOLVER.resolve(yaml.nodes.ScalarNode, text, implicit)))  # type: ignore[no-untyped-call] # stub


def _short_tag(name: str) -> str:
    return "!!" + name.removeprefix(_TAG_PREFIX) if name.startswith(_TAG_PREFIX) else name


def _build(events: Iterator[yaml.Event]) -> Node | None:
    stack: list[_Open] = []
    anchors: dict[str, tuple[Node, int] | None] = {}
    total = 0
    root: Node | None = None
    documents = 0
    for event in events:
        line = event.start_mark.line + 1 if event.start_mark else 0
        match event:
            case yaml.DocumentStartEvent():
                documents += 1
                if documents > 1:
                    raise YamlError(line, "more than one document, one is read")
                continue
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                if len(stack) >= DEPTH_MAX:
                    raise YamlError(line, f"nested deeper than {DEPTH_MAX} levels")
                stack.append(_Open(isinstance(event, yaml.MappingStartEvent), event.anchor, line))
                if event.anchor:
                    anchors[event.anchor] = None
                continue
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                done = stack.pop()
                node, weight, anchor = _close(done), done.weight, done.anchor
            case yaml.ScalarEvent():
                node, weight, anchor = _scalar_of(event, line), 1, event.anchor
            case yaml.AliasEvent():
                (node, weight), anchor = _aliased(anchors, event.anchor or "", line), None
            case _:
                continue
        total += weight
        if total > NODES_MAX:
            raise YamlError(line, f"more than {NODES_MAX} values")
        if anchor:
            anchors[anchor] = (node, weight)
        if stack:
            stack[-1].children.append(node)
            stack[-1].weight += weight
        else:
            root = node
    return root


def _scalar_of(event: yaml.ScalarEvent, line: int) -> ScalarNode:
    tag = event.tag
    if tag is None or tag == "!":
        return ScalarNode(event.value, _resolved_tag(event.value, event.implicit), line)
    return ScalarNode(event.value, _short_tag(tag), line)


def _aliased(anchors: dict[str, tuple[Node, int] | None], name: str, line: int) -> tuple[Node, int]:
    if name not in anchors:
        raise YamlError(line, f"unknown anchor '{name}' referenced")
    target = anchors[name]
    if target is None:
        raise YamlError(line, f"anchor '{name}' value contains itself")
    return target


def _close(done: _Open) -> Node:
    if not done.is_mapping:
        return SequenceNode(tuple(done.children), done.line)
    own: list[tuple[ScalarNode, Node]] = []
    merged: list[tuple[ScalarNode, Node]] = []
    for key, value in zip(done.children[::2], done.children[1::2], strict=True):
        if not isinstance(key, ScalarNode):
            raise YamlError(key.line, "a map's key must be a single value")
        if key.tag == "!!merge":
            merged.extend(_merge_entries(value))
        else:
            own.append((key, value))
    known = {key.text for key, _ in own}
    for key, value in merged:
        if key.text not in known:
            known.add(key.text)
            own.append((key, value))
    return MappingNode(tuple(own), done.line)


def _merge_entries(value: Node) -> Iterator[tuple[ScalarNode, Node]]:
    sources = value.items if isinstance(value, SequenceNode) else (value,)
    for source in sources:
        if not isinstance(source, MappingNode):
            raise YamlError(source.line, "map merge requires map or sequence of maps as the value")
        yield from source.entries
