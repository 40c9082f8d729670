"""`ServerConfig`: all that `lodur serve` is told, made of the packages' own options."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lodur.api.access.options import AccessOptions
from lodur.api.options import ServerOptions
from lodur.config.blocks.access import access_options
from lodur.config.blocks.caches import cache_options
from lodur.config.blocks.common import PATH_PREFIX
from lodur.config.blocks.ingester import WAL_DIR, ingester_options
from lodur.config.blocks.limits_retention import check_retention, compactor_options, delete_options
from lodur.config.blocks.other import AUTH_ENABLED, TARGET, TRACING
from lodur.config.blocks.querier import querier_options
from lodur.config.blocks.ruler import ruler_options, with_ruler_filled
from lodur.config.blocks.runtime import RuntimeOptions, runtime_options
from lodur.config.blocks.schema_periods import SchemaPeriod, check_metadata_schema, schema_periods
from lodur.config.blocks.server import server_options
from lodur.config.blocks.storage import DIRECTORY, check_delete_store, storage_options, with_stores_filled
from lodur.config.targets import Role, roles_of
from lodur.config.tenant_settings import TenantSettings, tenant_settings
from lodur.config.values import Values
from lodur.ingest.options import IngesterOptions
from lodur.query.options import QuerierOptions
from lodur.ruler.options import RulerOptions
from lodur.store.compaction.options import CompactorOptions
from lodur.store.delete_service import DeleteOptions
from lodur.store.options import CacheOptions, StorageOptions

DATA_DIRECTORY = "data"
"""Where data lie as long as nobody says otherwise, below the working directory."""


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """A configuration that was checked as a whole."""

    targets: tuple[str, ...]
    roles: frozenset[Role]
    auth_enabled: bool
    server: ServerOptions
    access: AccessOptions | None
    """None where everybody may do everything."""
    tenants: TenantSettings
    """For every tenant that has no overrides."""
    runtime: RuntimeOptions
    """Where overrides are."""
    ingester: IngesterOptions
    storage: StorageOptions
    schema_periods: tuple[SchemaPeriod, ...]
    """As they were written; none where nothing was."""
    caches: CacheOptions
    compactor: CompactorOptions
    deletes: DeleteOptions
    querier: QuerierOptions
    ruler: RulerOptions
    tracing_enabled: bool
    """Send traces, where the environment names somebody to send them to."""
    values: Values = field(repr=False)
    """What the options were made of, secrets included; for printing only."""


def build_server_config(values: Values, *, base: Path, now_ns: int, cores: int, file_name: str = "") -> ServerConfig:
    """Derive what was not said and make the options; relative paths start at `base`. Raises ConfigError.

    `file_name` stands in errors about a place of the file.
    """
    values = with_derived(values)
    targets = values.get(TARGET)
    periods = schema_periods(values)
    check_metadata_schema(values, periods, now_ns)
    check_retention(values)
    ingester = ingester_options(values, base)
    storage = storage_options(values, periods, base, file_name)
    check_delete_store(values, file_name)
    return ServerConfig(
        targets=targets or ("all",),
        roles=roles_of(targets),
        auth_enabled=values.get(AUTH_ENABLED),
        server=server_options(values),
        access=access_options(values, base),
        tenants=tenant_settings(values),
        runtime=runtime_options(values, base),
        ingester=ingester,
        storage=storage,
        schema_periods=periods,
        caches=cache_options(values, base, ingester.wal.directory),
        compactor=compactor_options(values),
        deletes=delete_options(values),
        querier=querier_options(values, cores),
        ruler=ruler_options(values, base),
        tracing_enabled=values.get(TRACING),
        values=values,
    )


def with_derived(values: Values) -> Values:
    """The values, and those that follow from others."""
    says_where = any(values.given_in(block) for block in ("storage_config", "schema_config", "common.storage"))
    if not (says_where or values.given(PATH_PREFIX) or values.given(WAL_DIR)):
        values = values.filled(PATH_PREFIX, DATA_DIRECTORY).filled(DIRECTORY, f"{DATA_DIRECTORY}/store")
    if prefix := values.get(PATH_PREFIX):
        values = values.filled(WAL_DIR, str(Path(prefix) / "wal"))
    return with_stores_filled(with_ruler_filled(values))
