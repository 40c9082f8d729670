"""The shape of a configuration: which keys exist, of what kind, and what is done with each.

A key is a `Setting` (typed; honoured, or read and ignored for a reason), an `InertKey` (accepted whatever it holds),
a `RemovedKey` (an error naming what to write instead) or a `MisplacedKey` (an error naming where it belongs).
Paths are dotted (`ingester.wal.dir`), and `*.name` stands for a name at any depth. The entries stand in `blocks/`, one
module a block; `reading` applies them to a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Generic, TypeVar

from lodur.config.kinds import Kind
from lodur.config.yaml_nodes import Node

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Setting(Generic[T_co]):
    """A key with a typed value."""

    path: str
    kind: Kind[T_co]
    default: str
    """As it would be written in the file or as a flag."""
    doc: str
    flags: tuple[str, ...] = ()
    """Names of Loki's flags for it that are not the path with dashes."""
    ignored: str = ""
    """Why it has no effect though it is understood; empty where it is honoured."""

    def default_node(self) -> Node:
        """The default as a node."""
        return _default_node(self)

    def all_flags(self) -> tuple[str, ...]:
        """Every flag that sets it, without dashes in front."""
        return (self.path.replace("_", "-"), *self.flags)


@cache
def _default_node(setting: Setting[object]) -> Node:
    """Parsed once: with overrides, the limits of thousands of tenants ask for the same defaults."""
    return setting.kind.node_of(setting.default)


@dataclass(frozen=True, slots=True)
class InertKey:
    """A key or whole block that is accepted and has no effect; what lies beneath is not looked at."""

    path: str
    reason: str
    keys: tuple[str, ...] = ()
    """Keys of the block that people set, for the reference page."""


@dataclass(frozen=True, slots=True)
class RemovedKey:
    """A key of older releases that Loki 3 no longer reads."""

    path: str
    instead: str


@dataclass(frozen=True, slots=True)
class MisplacedKey:
    """A key that people write in the wrong block."""

    path: str
    belongs: str


Entry = Setting[object] | InertKey | RemovedKey | MisplacedKey


def inert_keys(block: str, reason: str, names: str) -> tuple[InertKey, ...]:
    """One InertKey for each word of `names`, all for the same reason."""
    prefix = f"{block}." if block else ""
    return tuple(InertKey(prefix + name, reason) for name in names.split())


@dataclass(frozen=True, slots=True)
class Schema:
    """All entries by path, and the blocks that contain them."""

    entries: Mapping[str, Entry]
    blocks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The names in each block, known by its path; the top level is the empty path."""
    type_names: Mapping[str, str] = field(default_factory=dict)
    """What Loki's messages call a block."""

    @classmethod
    def of(cls, entries: Iterable[Entry], type_names: Mapping[str, str]) -> Schema:
        """The schema of some entries."""
        by_path: dict[str, Entry] = {}
        blocks: dict[str, list[str]] = {"": []}
        for entry in entries:
            if entry.path in by_path:
                raise ValueError(f"{entry.path} is declared twice")
            by_path[entry.path] = entry
            if not isinstance(entry, RemovedKey | MisplacedKey):
                _place(entry.path, blocks)
        return cls(by_path, {path: tuple(names) for path, names in blocks.items()}, type_names)

    def entry(self, block: str, name: str) -> Entry | None:
        """The entry of a name as it is written in a block."""
        # A dot in a key is part of its name, though a path is written with dots.
        if "." in name or name == "*":
            return None
        path = f"{block}.{name}" if block else name
        return self.entries.get(path) or self.entries.get(f"*.{name}")

    def settings(self) -> tuple[Setting[object], ...]:
        """The typed settings in the order of declaration."""
        return tuple(entry for entry in self.entries.values() if isinstance(entry, Setting))

    def type_name(self, block: str) -> str:
        """What messages call a block."""
        return self.type_names.get(block, f"{block.rpartition('.')[2] or 'lodur'}.Config")

    def places_of(self, name: str) -> tuple[str, ...]:
        """Every block or setting whose last part is `name`, shortest paths first."""
        known = (*self.entries, *self.blocks)
        found = {
            path
            for path in known
            if path.rpartition(".")[2] == name and not isinstance(self.entries.get(path), RemovedKey | MisplacedKey)
        }
        return tuple(sorted(found, key=lambda path: (path.count("."), path)))


def _place(path: str, blocks: dict[str, list[str]]) -> None:
    """Enter a path and the blocks around it."""
    while True:
        block, _, name = path.rpartition(".")
        names = blocks.setdefault(block, [])
        if name not in names:
            names.append(name)
        if not block:
            return
        path = block
