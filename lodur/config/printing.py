"""Print the configuration in force as YAML that Lodur reads again, with secrets masked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import assert_never

import yaml

from lodur.config.blocks.all_blocks import CONFIG_FILE
from lodur.config.records import nested
from lodur.config.schema import Setting
from lodur.config.server_config import ServerConfig
from lodur.config.values import Values
from lodur.config.yaml_nodes import MappingNode, Node, ScalarNode, SequenceNode

_INT = re.compile(r"[+-]?(0|[1-9][0-9]{0,18})")

_FLOAT = re.compile(r"[+-]?[0-9]{1,15}\.[0-9]{1,15}")

_LIMITS = "limits_config."

_STORES = ("common.storage.", "storage_config.")

Plain = str | int | float | bool | None | list["Plain"] | dict[str, "Plain"]
"""What the YAML printer takes."""


def effective_yaml(config: ServerConfig) -> str:
    """Every honoured setting with the value in force.

    Left out are settings that are empty by default and were not given, and of the object stores all that was not given.
    """
    values = config.values
    return _yaml(values, (setting for setting in _honoured() if values.given(setting) or _is_shown_unset(setting)))


def changed_yaml(config: ServerConfig) -> str:
    """The settings whose value in force is not the default."""
    values = config.values

    def is_changed(setting: Setting[object]) -> bool:
        return values.given(setting) and values.get(setting) != setting.kind.parse(setting.default_node())

    return _yaml(values, filter(is_changed, _honoured()))


def default_yaml() -> str:
    """Every honoured setting that is not empty by default, with its default."""
    return _yaml(Values(), filter(_is_shown_unset, _honoured()))


def limits_yaml(config: ServerConfig) -> str:
    """The keys of `limits_config` with the values in force, as the keys of the top level."""
    nodes = {
        setting.path.removeprefix(_LIMITS): setting.kind.masked(config.values.node(setting))
        for setting in _honoured()
        if setting.path.startswith(_LIMITS)
    }
    return _dumped(nested(nodes))


def _honoured() -> Iterator[Setting[object]]:
    return (setting for setting in CONFIG_FILE.settings() if not setting.ignored)


def _yaml(values: Values, shown: Iterable[Setting[object]]) -> str:
    return _dumped(nested({setting.path: setting.kind.masked(values.node(setting)) for setting in shown}))


def _dumped(node: Node) -> str:
    return yaml.safe_dump(_plain(node), sort_keys=False, default_flow_style=False, allow_unicode=True)


def _is_shown_unset(setting: Setting[object]) -> bool:
    return setting.default not in ("", "[]", "{}") and not setting.path.startswith(_STORES)


def _plain(node: Node) -> Plain:
    match node:
        case ScalarNode(tag="!!null"):
            return None
        case ScalarNode(text=text, tag="!!bool"):
            return text.lower() in ("true", "yes", "on", "y")
        case ScalarNode(text=text, tag="!!int") if _INT.fullmatch(text):
            return int(text)
        case ScalarNode(text=text, tag="!!float") if _FLOAT.fullmatch(text):
            return float(text)
        case ScalarNode(text=text):
            return text
        case SequenceNode(items=items):
            return [_plain(item) for item in items]
        case MappingNode(entries=entries):
            return {key.text: _plain(value) for key, value in entries}
        case _:
            assert_never(node)
