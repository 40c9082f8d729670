"""`runtime_config`: the files that are read again while the server runs, with the limits of single tenants."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lodur.config.kinds import POSITIVE_DURATION, TEXT, TEXTS
from lodur.config.schema import Entry, Setting
from lodur.config.values import Values
from lodur.model.durations import NS_PER_S

TYPE_NAMES = {"runtime_config": "runtimeconfig.Config"}

FILES = Setting(
    "runtime_config.file",
    TEXTS,
    "",
    "Files with `overrides` of limits by tenant, read again while the server runs; the later wins.",
)
PERIOD = Setting("runtime_config.period", POSITIVE_DURATION, "10s", "How often the files are looked at.", ())
LEGACY_FILE = Setting(
    "limits_config.per_tenant_override_config",
    TEXT,
    "",
    "Older name of `runtime_config.file`, which goes first.",
    ("limits.per-user-override-config",),
)
LEGACY_PERIOD = Setting(
    "limits_config.per_tenant_override_period",
    POSITIVE_DURATION,
    "10s",
    "Older name of `runtime_config.period`, for the file of the older name.",
    ("limits.per-user-override-period",),
)

ENTRIES: tuple[Entry, ...] = (FILES, PERIOD, LEGACY_FILE, LEGACY_PERIOD)


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """Which files hold overrides, and how often they are looked at."""

    files: tuple[Path, ...] = ()
    period_s: float = 10.0


def runtime_options(values: Values, base: Path) -> RuntimeOptions:
    """The files, relative ones from `base` on."""
    if files := values.get(FILES):
        return RuntimeOptions(tuple(base / file for file in files), values.get(PERIOD) / NS_PER_S)
    if file := values.get(LEGACY_FILE):
        return RuntimeOptions((base / file,), values.get(LEGACY_PERIOD) / NS_PER_S)
    return RuntimeOptions()
