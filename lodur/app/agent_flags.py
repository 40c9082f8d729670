"""The flags of `lodur agent`, written as Promtail's: one dash or two, `-name=value` or `-name value`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lodur.model.errors import InvalidRequest

_TRUE = frozenset({"1", "t", "true"})
_FALSE = frozenset({"0", "f", "false"})
_BOOLEAN = ("config.expand-env", "dry-run", "check-syntax", "print-config-stderr", "version")
_TEXT = ("config.file", "client.url", "log.level")

_LEVELS = ("debug", "info", "warn", "error")

_CONFIG_FILE = "promtail.yaml"
"""What is read when no file is named."""


@dataclass(frozen=True, slots=True)
class AgentFlags:
    """What was asked for on the command line."""

    config_files: tuple[str, ...]
    """The first that exists is read."""
    client_urls: tuple[str, ...]
    log_level: str
    """Empty when not given: the file decides."""
    expand_env: bool
    dry_run: bool
    check_syntax: bool
    print_config: bool
    version: bool


def parse_flags(argv: Sequence[str]) -> AgentFlags:
    """Read the words behind `lodur agent`. Raises InvalidRequest and names the word at fault."""
    texts: dict[str, list[str]] = {name: [] for name in _TEXT}
    switches = dict.fromkeys(_BOOLEAN, False)
    words = list(argv)
    while words:
        word = words.pop(0)
        name, has_value, value = _split(word)
        if name in switches:
            switches[name] = _boolean(name, value) if has_value else True
        elif name in texts:
            if not has_value:
                if not words:
                    raise InvalidRequest(f"flag needs an argument: -{name}")
                value = words.pop(0)
            texts[name].append(value)
        else:
            known = ", ".join(f"-{known}" for known in (*_TEXT, *_BOOLEAN))
            raise InvalidRequest(f"flag provided but not defined: -{name}; known are {known}")
    return _flags(texts, switches)


def _flags(texts: dict[str, list[str]], switches: dict[str, bool]) -> AgentFlags:
    files = texts["config.file"][-1] if texts["config.file"] else _CONFIG_FILE
    level = texts["log.level"][-1] if texts["log.level"] else ""
    if level not in ("", *_LEVELS):
        raise InvalidRequest(f"unrecognized log level {level!r}, use one of {', '.join(_LEVELS)}")
    return AgentFlags(
        config_files=tuple(name for name in (part.strip() for part in files.split(",")) if name),
        client_urls=tuple(texts["client.url"]),
        log_level=level,
        expand_env=switches["config.expand-env"],
        dry_run=switches["dry-run"],
        check_syntax=switches["check-syntax"],
        print_config=switches["print-config-stderr"],
        version=switches["version"],
    )


def _split(word: str) -> tuple[str, bool, str]:
    body = word.removeprefix("-").removeprefix("-")
    if body == word or not body or body.startswith(("-", "=")):
        raise InvalidRequest(f"{word!r} is not a flag, flags look like -config.file=promtail.yaml")
    name, equals, value = body.partition("=")
    return name, bool(equals), value


def _boolean(name: str, value: str) -> bool:
    word = value.lower()
    if word not in _TRUE | _FALSE:
        raise InvalidRequest(f"invalid boolean value {value!r} for -{name}, use true or false")
    return word in _TRUE
