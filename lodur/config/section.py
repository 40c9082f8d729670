"""Read one YAML map key by key: typed values, and everything that is wrong in it.

For configurations of other programs, whose shape the builder of the options spells out. Problems are collected, not
raised, so that all are reported at once. Each key that was asked for is known; `finish` reports the others.
"""

from __future__ import annotations

from typing import TypeVar

from lodur.config.errors import BadValue, Problem
from lodur.config.kinds import SHOWN_CHARS_MAX, Kind, wrong_type
from lodur.config.yaml_nodes import MappingNode, Node, SequenceNode, is_null

T = TypeVar("T")


class Section:
    """A map of the file; an absent or empty one has no keys."""

    def __init__(self, node: Node | None, type_name: str, problems: list[Problem]) -> None:
        self._type_name = type_name
        self._problems = problems
        self._known: set[str] = set()
        self._nodes: dict[str, Node] = {}
        self._key_lines: dict[str, int] = {}
        self.line = node.line if node is not None else 0
        if node is None or is_null(node):
            return
        if not isinstance(node, MappingNode):
            problems.extend(wrong_type(node, type_name).problems)
            return
        for key, value in node.entries:
            if key.text in self._key_lines:
                first = self._key_lines[key.text]
                text = f"field {key.text[:SHOWN_CHARS_MAX]} already set in type {type_name} (first at line {first})"
                problems.append(Problem(key.line, text))
                continue
            self._key_lines[key.text] = key.line
            self._nodes[key.text] = value

    def has(self, name: str) -> bool:
        """The key is there, even without a value."""
        self._known.add(name)
        return name in self._nodes

    def line_of(self, name: str) -> int:
        """The line of a key, or of the section where it is absent."""
        return self._key_lines.get(name, self.line)

    def get(self, name: str, kind: Kind[T], default: T) -> T:
        """The value of a key; `default` where it is absent, null or wrong."""
        node = self._node(name)
        if node is None:
            return default
        try:
            return kind.parse(node)
        except BadValue as error:
            self._problems.extend(Problem(problem.line, f"{name}: {problem.text}") for problem in error.problems)
            return default

    def section(self, name: str, type_name: str) -> Section:
        """A map below a key."""
        return Section(self._node(name), type_name, self._problems)

    def sections(self, name: str, type_name: str) -> list[Section]:
        """The maps of a list below a key."""
        node = self._node(name)
        if node is None:
            return []
        if not isinstance(node, SequenceNode):
            self._problems.extend(wrong_type(node, f"[]{type_name}", "use a list").problems)
            return []
        return [Section(item, type_name, self._problems) for item in node.items]

    def refuse(self, *names: str) -> None:
        """Report each of the keys that holds something as not supported yet."""
        for name in names:
            node = self._node(name)
            if node is not None and not _is_empty(node):
                self.report(f"{name} is not supported yet", name)

    def require(self, name: str, kind: Kind[T], accepted: T) -> None:
        """Report the key as not supported yet unless its value is the one that changes nothing."""
        if self.get(name, kind, accepted) != accepted:
            shown = str(accepted).lower() or "an empty value"
            self.report(f"{name} is not supported yet (only {shown} is accepted)", name)

    def report(self, text: str, name: str = "") -> None:
        """Report what is wrong at a key, or at the section."""
        self._problems.append(Problem(self.line_of(name), text))

    def finish(self) -> None:
        """Report the keys that nobody has asked for."""
        for name in self._nodes:
            if name not in self._known:
                text = f"field {name[:SHOWN_CHARS_MAX]} not found in type {self._type_name}"
                self._problems.append(Problem(self._key_lines[name], text))

    def _node(self, name: str) -> Node | None:
        self._known.add(name)
        node = self._nodes.get(name)
        return None if node is None or is_null(node) else node


def _is_empty(node: Node) -> bool:
    match node:
        case MappingNode(entries=entries):
            return not entries
        case SequenceNode(items=items):
            return not items
        case _:
            return not node.text
