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
from lodur.model.durations import format_prometheus_duration
from lodur.model.limits import IngestLimits, Limits, QueryLimits
from lodur.model.tenant import TenantId
from lodur.ruler.options import RulerLimits
from lodur.store.compaction.options import RetentionPeriods
from lodur.telemetry.runtime_config_metrics import RuntimeConfigMetrics

OUTLASTING = (
    "queries may outlast what they read: query_timeout is longer than lodur.compactor.reader_grace, "
    "after which the objects of merged segments are deleted"
)

_log = structlog.get_logger(__name__)


class LimitsInForce:
    """Asked at each use, from any thread; what changes in the files shows at the next question."""

    def __init__(
        self,
        options: RuntimeOptions,
        common: TenantSettings,
        metrics: RuntimeConfigMetrics,
        *,
        reader_grace_ns: int | None = None,
    ) -> None:
        """Read the files. Raises ConfigError where one cannot be used.

        With `reader_grace_ns` it is said which queries may take longer than what they read stays.
        """
        self._options = options
        self._metrics = metrics
        self._reader_grace_ns = reader_grace_ns
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
        if self._reader_grace_ns is not None:
            _warn_of_long_queries(overrides, self._reader_grace_ns)
        self.overrides = overrides
        self._files, self._failed, self._reason = files, (), ""
        if files:
            self._metrics.loaded(_sha256(files), len(overrides.tenants))


def _warn(ignored: Sequence[IgnoredKey]) -> None:
    """Say which keys have no effect: once for each, however many tenants have it."""
    tenants = Counter(key.path for key in ignored)
    for key in {key.path: key for key in reversed(ignored)}.values():
        _log.warning("override has no effect", key=key.path, line=key.line, times=tenants[key.path], reason=key.reason)


def _warn_of_long_queries(overrides: Overrides, reader_grace_ns: int) -> None:
    """Say whose queries may go on when what they read is deleted: once for all tenants, once for those that differ."""
    common_ns = _longest_ns(overrides.common)
    longest_ns = {tenant: _longest_ns(settings) for tenant, settings in overrides.tenants.items()}
    differing = {
        tenant: its_ns for tenant, its_ns in longest_ns.items() if its_ns > reader_grace_ns and its_ns != common_ns
    }
    if common_ns > reader_grace_ns:
        _log.warning(OUTLASTING, query_timeout=_told(common_ns), reader_grace=_told(reader_grace_ns))
    if differing:
        tenant = max(sorted(differing), key=lambda one: differing[one])
        _log.warning(
            OUTLASTING,
            query_timeout=_told(differing[tenant]),
            reader_grace=_told(reader_grace_ns),
            tenant=str(tenant),
            times=len(differing),
        )


def _longest_ns(settings: TenantSettings) -> float:
    """How long a query may take."""
    return settings.limits.query.timeout_ns or float("inf")


def _told(duration_ns: float) -> str:
    return "none" if duration_ns == float("inf") else format_prometheus_duration(int(duration_ns))


def _sha256(files: Sequence[OverridesFile]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.content)
    return digest.hexdigest()
