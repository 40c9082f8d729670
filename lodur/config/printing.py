"""Print the configuration in force as YAML that Lodur reads again, with secrets masked."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import assert_never

import yaml

from lodur.config.blocks.all_blocks import CONFIG_FILE
from lodur.config.overrides import Overrides
from lodur.config.records import nested
from lodur.config.schema import Setting
from lodur.config.server_config import ServerConfig
from lodur.config.tenant_settings import TenantSettings
from lodur.config.values import Values
from lodur.config.yaml_nodes import MappingNode, Node, ScalarNode, SequenceNode
from lodur.model.tenant import TenantId

_INT = re.compile(r"[+-]?(0|[1-9][0-9]{0,18})")

_FLOAT = re.compile(r"[+-]?[0-9]{1,15}\.[0-9]{1,15}")

_LIMITS = "limits_config"

_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""The one in C where there is one: overrides of many tenants take seconds in Python."""

_STORES = ("common.storage.", "storage_config.")

Plain = str | int | float | bool | None | list["Plain"] | dict[str, "Plain"]
"""What the YAML printer takes."""


def effective_yaml(config: ServerConfig) -> str:
    """Every honoured setting with the value in force.

    Left out are settings that are empty by default and were not given, and of the object stores all that was not given.
    """
    values = config.values
    return _yaml(values, lambda setting: values.given(setting) or _is_shown_unset(setting))


def default_yaml() -> str:
    """Every honoured setting with its default, but those that are empty by default, and the object stores."""
    return _yaml(Values(), _is_shown_unset)


def limits_yaml(settings: TenantSettings) -> str:
    """The limits of a tenant, as the block of the configuration file has them."""
    return _dumped({_LIMITS: _limits(settings.values)})


def overrides_yaml(overrides: Overrides) -> str:
    """All limits of every tenant that has some of its own."""
    return _dumped({"overrides": {str(tenant): _limits(own.values) for tenant, own in _by_name(overrides)}})


def changed_overrides_yaml(overrides: Overrides) -> str:
    """The limits of every tenant that are not as for those without overrides."""
    common = overrides.common.values
    return _dumped({"overrides": {str(tenant): _differing(own.values, common) for tenant, own in _by_name(overrides)}})


def changed_yaml(config: ServerConfig) -> str:
    """The settings whose value is not the default."""
    values = config.values
    return _yaml(
        values,
        lambda setting: values.given(setting) and _plain(values.node(setting)) != _plain(setting.default_node()),
    )


def _by_name(overrides: Overrides) -> list[tuple[TenantId, TenantSettings]]:
    return sorted(overrides.tenants.items(), key=lambda item: item[0])


def _limits(values: Values) -> Plain:
    def is_shown(setting: Setting[object]) -> bool:
        return _is_limit(setting) and (values.given(setting) or _is_shown_unset(setting))

    return _nested(values, is_shown)[_LIMITS]


def _differing(values: Values, common: Values) -> Plain:
    def is_shown(setting: Setting[object]) -> bool:
        return _is_limit(setting) and _plain(values.node(setting)) != _plain(common.node(setting))

    return _nested(values, is_shown).get(_LIMITS, {})


def _is_limit(setting: Setting[object]) -> bool:
    return setting.path.startswith(f"{_LIMITS}.")


def _yaml(values: Values, is_shown: Callable[[Setting[object]], bool]) -> str:
    return _dumped(_nested(values, is_shown))


def _dumped(plain: Plain) -> str:
    return yaml.dump(plain, Dumper=_DUMPER, sort_keys=False, default_flow_style=False, allow_unicode=True)


def _nested(values: Values, is_shown: Callable[[Setting[object]], bool]) -> dict[str, Plain]:
    nodes = {
        setting.path: setting.kind.masked(values.node(setting))
        for setting in CONFIG_FILE.settings()
        if not setting.ignored and is_shown(setting)
    }
    plain = _plain(nested(nodes))
    assert isinstance(plain, dict)
    return plain


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
