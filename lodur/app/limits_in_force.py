"""The limits of each tenant, now: one answer for all parts of the server, kept as the files of overrides say.

Files that cannot be used leave what was in force, once the server runs. Start at `LimitsInForce`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Sequence

import structlog

from lodur.config.blocks.runtime import RuntimeOptions
from lodur.config.errors import ConfigError
from lodur.config.overrides import Overrides, OverridesFile, parse_overrides, read_files
from lodur.config.reading import IgnoredKey
from lodur.config.tenant_settings import TenantSettings
from lodur.model.limits import IngestLimits, Limits, QueryLimits
from lodur.model.tenant import TenantId
from lodur.ruler.options import RulerLimits
from lodur.store.compaction.options import RetentionPeriods
from lodur.telemetry.runtime_config_metrics import RuntimeConfigMetrics

_log = structlog.get_logger(__name__)


class LimitsInForce:
    """Asked at each use, from any thread; what changes in the files shows at the next question."""

    def __init__(self, options: RuntimeOptions, common: TenantSettings, metrics: RuntimeConfigMetrics) -> None:
        """Read the files. Raises ConfigError where one cannot be used."""
        self._options = options
        self._metrics = metrics
        self._files: tuple[OverridesFile, ...] = ()
        self._failed: tuple[OverridesFile, ...] = ()
        self._reason = ""
        self.overrides = Overrides(common)
        """In force now."""
        self._take(read_files(options.files))

    def of(self, tenant: TenantId) -> Limits:
        return self.overrides.of(tenant).limits

    def ingest(self, tenant: TenantId) -> IngestLimits:
        return self.overrides.of(tenant).limits.ingest

    def query(self, tenant: TenantId) -> QueryLimits:
        return self.overrides.of(tenant).limits.query

    def retention(self, tenant: TenantId) -> RetentionPeriods:
        return self.overrides.of(tenant).retention

    def ruler(self, tenant: TenantId) -> RulerLimits:
        return self.overrides.of(tenant).ruler

    @property
    def has_files(self) -> bool:
        """Whether there is anything to read again."""
        return bool(self._options.files)

    async def run(self) -> None:
        """Look at the files from time to time, for ever; at once where there are none."""
        while self.has_files:
            await asyncio.sleep(self._options.period_s)
            try:
                await asyncio.to_thread(self.reload)
            except Exception:  # noqa: BLE001 - the top of a task: a bug is logged, the next look in time tries again
                _log.exception("limits by tenant cannot be read, those in force stay")

    def reload(self) -> bool:
        """Take what the files say now; where they cannot be used, say so and leave what is in force. Blocks."""
        files: tuple[OverridesFile, ...] = ()
        try:
            files = read_files(self._options.files)
            if files == self._files:
                self._metrics.last_reload_successful.set(1)
                self._failed, self._reason = (), ""
                return True
            # Large files take seconds to read; what was found wrong with them is wrong still.
            if files != self._failed:
                self._take(files)
                _log.info("limits by tenant are read again", tenants=len(self.overrides.tenants))
                return True
        except ConfigError as error:
            if str(error) != self._reason:
                _log.error("limits by tenant cannot be read, those in force stay", err=str(error))
            self._failed, self._reason = files, str(error)
        self._metrics.last_reload_successful.set(0)
        return False

    def _take(self, files: tuple[OverridesFile, ...]) -> None:
        overrides = parse_overrides(files, self.overrides.common)
        _warn(overrides.ignored)
        self.overrides = overrides
        self._files, self._failed, self._reason = files, (), ""
        if files:
            self._metrics.loaded(_sha256(files), len(overrides.tenants))


def _warn(ignored: Sequence[IgnoredKey]) -> None:
    """Say which keys have no effect: once for each, however many tenants have it."""
    tenants = Counter(key.path for key in ignored)
    for key in {key.path: key for key in reversed(ignored)}.values():
        _log.warning("override has no effect", key=key.path, line=key.line, times=tenants[key.path], reason=key.reason)


def _sha256(files: Sequence[OverridesFile]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.content)
    return digest.hexdigest()
