"""Turn command-line flags into values: every setting has one, with one dash or two, as Go programs take them.

`-name=value`, `-name value`, and for switches `-name` alone. Start at `parse_flags`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType

from lodur.config.errors import BadValue, ConfigError
from lodur.config.kinds import BOOL, MASK, SECRET, SECRET_URL, SHOWN_CHARS_MAX
from lodur.config.reading import CLOSE_ENOUGH, IgnoredKey
from lodur.config.schema import InertKey, Schema, Setting
from lodur.config.values import Values
from lodur.config.yaml_nodes import Node

HEALTH_URL = "http://localhost:3100/ready"
"""What `-health` asks where `-health.url` is silent."""

_TRUE = frozenset({"1", "t", "true"})
_FALSE = frozenset({"0", "f", "false"})

SWITCHES = {
    "config.expand-env": "Put environment variables into the file before it is read.",
    "verify-config": "Check the configuration and exit.",
    "print-config-stderr": "Print the configuration in force to stderr.",
    "log-config-reverse-order": "Log the configuration in force, last line first.",
    "list-targets": "List the targets and exit.",
    "version": "Print the version and exit.",
    "health": "Ask a running server whether it is ready, and exit with 0 if it is.",
}
"""Flags that are no settings and are on or off."""

TEXT_FLAGS = {
    "config.file": "The configuration file; of a comma list the first that exists. Default "
    "`config.yaml,config/config.yaml`.",
    "health.url": f"What `-health` asks. Default `{HEALTH_URL}`.",
}
"""Flags that are no settings and have a value."""


@dataclass(frozen=True, slots=True)
class Actions:
    """What was asked for besides serving."""

    verify_config: bool = False
    print_config: bool = False
    log_config_reversed: bool = False
    list_targets: bool = False
    version: bool = False
    health: bool = False
    health_url: str = HEALTH_URL


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line says."""

    config_files: tuple[str, ...]
    """Candidates in order; empty where no file was named."""
    expand_env: bool
    actions: Actions
    values: Values
    ignored: tuple[IgnoredKey, ...]


def parse_flags(argv: Sequence[str], schema: Schema) -> Flags:
    """Read all arguments. Raises ConfigError for one that is no flag, is unknown or has a wrong value."""
    settings = {flag: setting for setting in schema.settings() for flag in setting.all_flags()}
    switches: dict[str, bool] = {}
    texts: dict[str, str] = {}
    nodes: dict[str, Node] = {}
    ignored: list[IgnoredKey] = []
    arguments = list(reversed(argv))
    while arguments:
        name, value = _split(arguments.pop())
        if name in SWITCHES:
            switches[name] = True if value is None else _switch(name, value)
        elif name in TEXT_FLAGS:
            texts[name] = _value(name, value, arguments)
        elif name in settings:
            setting = settings[name]
            nodes[setting.path] = _setting_node(setting, name, value, arguments)
            if setting.ignored:
                ignored.append(IgnoredKey(f"-{name}", 0, setting.ignored))
        elif inert := _inert(schema, name):
            if value is None and arguments and not arguments[-1].startswith("-"):
                arguments.pop()
            ignored.append(IgnoredKey(f"-{name}", 0, inert.reason))
        else:
            raise ConfigError(f"flag provided but not defined: -{name[:SHOWN_CHARS_MAX]}{_nearest(name, settings)}")
    files = tuple(part for part in (piece.strip() for piece in texts.get("config.file", "").split(",")) if part)
    return Flags(
        config_files=files,
        expand_env=switches.get("config.expand-env", False),
        actions=_actions(switches, texts),
        values=Values(MappingProxyType(nodes)),
        ignored=tuple(ignored),
    )


def _actions(switches: dict[str, bool], texts: dict[str, str]) -> Actions:
    return Actions(
        verify_config=switches.get("verify-config", False),
        print_config=switches.get("print-config-stderr", False),
        log_config_reversed=switches.get("log-config-reverse-order", False),
        list_targets=switches.get("list-targets", False),
        version=switches.get("version", False),
        health=switches.get("health", False),
        health_url=texts.get("health.url", HEALTH_URL),
    )


def _split(argument: str) -> tuple[str, str | None]:
    name = argument[2:] if argument.startswith("--") else argument[1:]
    if not argument.startswith("-") or not name or name[0] in "-=":
        shown = argument[:SHOWN_CHARS_MAX]
        raise ConfigError(f"unexpected argument '{shown}': flags are written -name=value or -name value")
    name, equals, value = name.partition("=")
    return name, value if equals else None


def _value(name: str, value: str | None, arguments: list[str]) -> str:
    if value is not None:
        return value
    if not arguments:
        raise ConfigError(f"flag needs an argument: -{name}")
    return arguments.pop()


def _switch(name: str, value: str) -> bool:
    word = value.lower()
    if word not in _TRUE and word not in _FALSE:
        raise ConfigError(f'invalid boolean value "{value[:SHOWN_CHARS_MAX]}" for -{name}: use true or false')
    return word in _TRUE


def _setting_node(setting: Setting[object], name: str, value: str | None, arguments: list[str]) -> Node:
    if setting.kind is BOOL:
        text = "true" if value is None or _switch(name, value) else "false"
    else:
        text = _value(name, value, arguments)
    try:
        node = setting.kind.node_of(text)
        setting.kind.parse(node)
    except BadValue as error:
        shown = MASK if setting.kind in (SECRET, SECRET_URL) else text[:SHOWN_CHARS_MAX]
        raise ConfigError(f'invalid value "{shown}" for flag -{name}: {error}') from error
    return node


def _inert(schema: Schema, name: str) -> InertKey | None:
    """The ignored key that a flag's name lies at or below."""
    path = name.replace("-", "_")
    while path:
        entry = schema.entries.get(path)
        if isinstance(entry, InertKey):
            return entry
        path = path.rpartition(".")[0]
    return None


def _nearest(name: str, settings: dict[str, Setting[object]]) -> str:
    near = get_close_matches(name, (*settings, *SWITCHES, *TEXT_FLAGS), n=1, cutoff=CLOSE_ENOUGH)
    return f", did you mean -{near[0]}?" if near else ""
