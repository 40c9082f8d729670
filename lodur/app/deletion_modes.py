"""What delete requests do for each tenant, for commands that read a store without its server."""

from __future__ import annotations

from collections.abc import Callable

from lodur.config.overrides import Overrides, parse_overrides, read_files
from lodur.config.server_config import ServerConfig
from lodur.config.tenant_settings import tenant_settings
from lodur.config.values import Values
from lodur.model.limits import DeletionMode
from lodur.model.tenant import TenantId


def overrides_now(config: ServerConfig | None) -> Overrides:
    """The settings of each tenant as the files of overrides say now; without a configuration those of an empty one.

    Raises ConfigError where one of the files cannot be used: a server would not start with it.
    """
    if config is None:
        return Overrides(tenant_settings(Values()))
    return parse_overrides(read_files(config.runtime.files), config.tenants)


def deletion_modes(overrides: Overrides) -> Callable[[TenantId], DeletionMode]:
    """The mode of each tenant."""
    return lambda tenant: overrides.of(tenant).limits.deletion_mode
