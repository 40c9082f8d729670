"""Overrides: limits of single tenants, from files of their own that change while the server runs.

Each key of `limits_config` may stand under a tenant's name; what it does not say is as for everybody. Of several files
the later ones win, key by key. Start at `parse_overrides`; `lodur.app.limits_in_force` reads them again and again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lodur.config.blocks.all_blocks import CONFIG_FILE
from lodur.config.blocks.limits_retention import RETENTION_STREAM
from lodur.config.blocks.reasons import NO_RING
from lodur.config.errors import ConfigError, Problem
from lodur.config.kinds import ANYTHING, SHOWN_CHARS_MAX, wrong_type
from lodur.config.loading import listed_problems
from lodur.config.reading import IgnoredKey, read_block
from lodur.config.schema import InertKey, Schema, Setting
from lodur.config.tenant_settings import TenantSettings, tenant_settings
from lodur.config.values import Values
from lodur.config.yaml_nodes import MappingNode, Node, YamlError, is_null, parse_yaml, scalar
from lodur.model.errors import InvalidRequest, Unauthenticated
from lodur.model.tenant import TenantId

FILE_BYTES_MAX = 8 * 2**20
"""Largest file of overrides: thousands of tenants with a dozen keys each."""

FAILED = "failed loading runtime config"

_BLOCK = "limits_config"

_OVERRIDES = Setting("overrides", ANYTHING, "{}", "Limits by tenant.")

_FILE = Schema.of(
    (
        _OVERRIDES,
        InertKey("configs", "the request log has one form"),
        InertKey("multi_kv_config", NO_RING),
    ),
    {"": "loki.runtimeConfigValues"},
)


@dataclass(frozen=True, slots=True)
class Overrides:
    """The settings of every tenant."""

    common: TenantSettings
    """For tenants that have none of their own."""
    tenants: Mapping[TenantId, TenantSettings] = field(default_factory=dict)
    ignored: tuple[IgnoredKey, ...] = ()
    """Keys of the files that have no effect."""

    def of(self, tenant: TenantId) -> TenantSettings:
        """The settings of a tenant."""
        return self.tenants.get(tenant, self.common)


@dataclass(frozen=True, slots=True)
class OverridesFile:
    """A file's name and what it holds."""

    name: str
    content: bytes


def read_files(files: Sequence[Path]) -> tuple[OverridesFile, ...]:
    """The files as they are now. Raises ConfigError for one that cannot be read."""
    return tuple(OverridesFile(str(file), _read(file)) for file in files)


def parse_overrides(files: Sequence[OverridesFile], common: TenantSettings) -> Overrides:
    """The settings of all tenants. Raises ConfigError with all that is wrong in a file, by line."""
    given: dict[TenantId, Values] = {}
    ignored: list[IgnoredKey] = []
    for file in files:
        values, without_effect = _parse_file(file)
        ignored += without_effect
        for tenant, own in values.items():
            given[tenant] = own.over(given.get(tenant, Values()))
    tenants: dict[TenantId, TenantSettings] = {}
    for tenant, own in given.items():
        try:
            tenants[tenant] = tenant_settings(own.over(common.values))
        except ConfigError as error:
            names = ", ".join(file.name for file in files)
            line = own.node(RETENTION_STREAM).line
            raise ConfigError(f"{FAILED}: {names}: line {line}: {error} (overrides of tenant '{tenant}')") from error
    return Overrides(common, tenants, tuple(ignored))


def _parse_file(file: OverridesFile) -> tuple[dict[TenantId, Values], list[IgnoredKey]]:
    try:
        root = parse_yaml(file.content.decode("utf-8-sig"), bytes_max=FILE_BYTES_MAX)
    except UnicodeDecodeError as error:
        line = file.content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{FAILED}: {file.name}: yaml: line {line}: invalid UTF-8") from error
    except YamlError as error:
        place = f"line {error.line}: " if error.line else ""
        raise ConfigError(f"{FAILED}: {file.name}: yaml: {place}{error.problem}") from error
    if root is None:
        return {}, []
    reading = read_block(_FILE, root)
    problems, ignored = reading.problems, reading.ignored
    values: dict[TenantId, Values] = {}
    for name, line, node in _tenant_nodes(reading.nodes.get(_OVERRIDES.path), problems):
        try:
            tenant = TenantId(name)
        except (InvalidRequest, Unauthenticated) as error:
            ignored.append(
                IgnoredKey(f"overrides.{name[:SHOWN_CHARS_MAX]}", line, f"no request has this tenant: {error}")
            )
            continue
        own = read_block(CONFIG_FILE, MappingNode(((scalar(_BLOCK), node),), node.line))
        problems += [Problem(one.line, f"{one.text} (overrides of tenant '{name}')") for one in own.problems]
        ignored += own.ignored
        values[tenant] = own.values()
    if problems:
        raise ConfigError(f"{FAILED}: {file.name}: {listed_problems(problems)}")
    return values, ignored


def _tenant_nodes(node: Node | None, problems: list[Problem]) -> Iterator[tuple[str, int, Node]]:
    """The tenants of a file, with the line and the limits of each."""
    if node is None or is_null(node):
        return
    if not isinstance(node, MappingNode):
        problems += wrong_type(node, "map[string]*validation.Limits", "use a map from tenants to limits").problems
        return
    first: dict[str, int] = {}
    for key, value in node.entries:
        if key.text in first:
            text = f"tenant {key.text[:SHOWN_CHARS_MAX]} already set in overrides (first at line {first[key.text]})"
            problems.append(Problem(key.line, text))
            continue
        first[key.text] = key.line
        yield key.text, key.line, value


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{FAILED}: {path}: {error.strerror or error}") from error
    if len(content) > FILE_BYTES_MAX:
        raise ConfigError(f"{FAILED}: {path}: larger than {FILE_BYTES_MAX} bytes")
    return content
