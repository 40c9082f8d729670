"""What was set, by whom: nodes by path, read through their settings.

A value is parsed again at each `get`; that keeps the type of the setting without a cast, and a configuration is small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from lodur.config.schema import Setting
from lodur.config.yaml_nodes import Node

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Values:
    """Settings that were given; the others have their default."""

    nodes: Mapping[str, Node] = field(default_factory=dict)

    def node(self, setting: Setting[object]) -> Node:
        """The node that holds for a setting."""
        return self.nodes.get(setting.path) or setting.default_node()

    def get(self, setting: Setting[T]) -> T:
        """The value that holds for a setting."""
        return setting.kind.parse(self.node(setting))

    def given(self, setting: Setting[object]) -> bool:
        """Whether somebody set it."""
        return setting.path in self.nodes

    def given_in(self, block: str) -> bool:
        """Whether somebody set anything in a block."""
        return any(path.startswith(block + ".") for path in self.nodes)

    def over(self, other: Values) -> Values:
        """These values, and the other's where these are silent."""
        return Values({**other.nodes, **self.nodes})

    def filled(self, setting: Setting[object], text: str) -> Values:
        """These values, and `text` for a setting that nobody set."""
        if self.given(setting):
            return self
        return Values({**self.nodes, setting.path: setting.kind.node_of(text)})
