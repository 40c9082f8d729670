"""Load a configuration: flags over file over defaults, checked as a whole.

Start at `load_server_config`. Without a file the built-in one for a single machine holds (`BUILT_IN_FILE`); with a file
Loki's defaults hold. Facts: docs/reference/configuration.md.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lodur.config.blocks.all_blocks import CONFIG_FILE
from lodur.config.environment import ExpansionError, expand_env
from lodur.config.errors import ConfigError, Problem
from lodur.config.flags import Actions, Flags, parse_flags
from lodur.config.reading import IgnoredKey, read_block
from lodur.config.server_config import ServerConfig, build_server_config
from lodur.config.values import Values
from lodur.config.yaml_nodes import YAML_BYTES_MAX, YamlError, parse_yaml
from lodur.model.clock import Clock, SystemClock

DEFAULT_FILES = ("config.yaml", "config/config.yaml")
"""Read where no file is named and one of them exists."""

PROBLEMS_SHOWN_MAX = 50
"""Mistakes that one error lists; nobody mends more at a time."""

BUILT_IN_FILE = """\
auth_enabled: false
server:
  http_listen_address: 127.0.0.1
ingester:
  wal:
    flush_on_shutdown: true
pattern_ingester:
  enabled: true
limits_config:
  ingestion_rate_mb: 1024
  ingestion_burst_size_mb: 1024
  per_stream_rate_limit: 1GB
  per_stream_rate_limit_burst: 1GB
"""
"""Holds without a file: one process for one person, who shares the machine with nobody."""

_EXPAND_HINT = ". Use `-config.expand-env=true` flag if you want to expand environment variables in your config file"


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A configuration, and what was noticed on the way."""

    config: ServerConfig
    ignored: tuple[IgnoredKey, ...]
    """Keys and flags that have no effect, for one list at start-up."""
    actions: Actions
    file: Path | None
    """The file that was read; None where the built-in one holds."""


def load_server_config(
    argv: Sequence[str],
    environ: Mapping[str, str],
    cwd: Path,
    *,
    clock: Clock | None = None,
    cores: int | None = None,
) -> LoadedConfig:
    """The configuration of `lodur serve` called with `argv` (without the program and command) in the directory `cwd`.

    Raises ConfigError, whose text is complete and holds no secret. With `-version` or `-list-targets` no file is read.
    """
    flags = parse_flags(argv, CONFIG_FILE)
    name = None if flags.actions.version or flags.actions.list_targets else _file_name(flags, cwd)
    if name is None:
        values, ignored = parse_config_text(BUILT_IN_FILE, "built-in configuration")
    else:
        text = _read(name, cwd / name)
        values, ignored = parse_config_text(text, name, environ if flags.expand_env else None)
    config = build_server_config(
        flags.values.over(values),
        base=cwd,
        now_ns=(clock or SystemClock()).now_ns(),
        cores=cores or os.cpu_count() or 1,
        file_name=name or "",
    )
    return LoadedConfig(config, (*ignored, *flags.ignored), flags.actions, cwd / name if name else None)


def parse_config_text(
    text: str, name: str, environ: Mapping[str, str] | None = None
) -> tuple[Values, tuple[IgnoredKey, ...]]:
    """The values of a file's text; `environ` where variables are to be expanded. Raises ConfigError."""
    try:
        expanded = text if environ is None else expand_env(text, environ)
        root = parse_yaml(expanded)
    except ExpansionError as error:
        raise ConfigError(f"failed parsing config: {name}: {error.problem} (line {error.line})") from error
    except YamlError as error:
        place = f"line {error.line}: " if error.line else ""
        raise ConfigError(f"failed parsing config: {name}: yaml: {place}{error.problem}") from error
    if root is None:
        return Values(), ()
    reading = read_block(CONFIG_FILE, root)
    if reading.problems:
        hint = _EXPAND_HINT if environ is None else ""
        raise ConfigError(f"failed parsing config: {name}: {listed_problems(reading.problems)}{hint}")
    return reading.values(), tuple(reading.ignored)


def listed_problems(problems: Sequence[Problem]) -> str:
    """Mistakes in a file as one text, in the order of its lines."""
    shown = [f"  line {problem.line}: {problem.text}" for problem in sorted(problems)[:PROBLEMS_SHOWN_MAX]]
    if len(problems) > PROBLEMS_SHOWN_MAX:
        shown.append(f"  and {len(problems) - PROBLEMS_SHOWN_MAX} more")
    return "\n".join(("yaml: unmarshal errors:", *shown))


def _file_name(flags: Flags, cwd: Path) -> str | None:
    for name in flags.config_files or DEFAULT_FILES:
        path = cwd / name
        if path.exists() and not path.is_dir():
            return name
    if flags.config_files:
        names = ",".join(flags.config_files)
        raise ConfigError(f"{names} does not exist, set config.file for custom config path")
    return None


def _read(name: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(YAML_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"failed parsing config: {name}: {error.strerror or error}") from error
    if len(raw) > YAML_BYTES_MAX:
        raise ConfigError(f"failed parsing config: {name}: larger than {YAML_BYTES_MAX} bytes")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"failed parsing config: {name}: yaml: line {line}: invalid UTF-8") from error
