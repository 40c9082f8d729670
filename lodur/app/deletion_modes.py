"""What delete requests do for each tenant, for commands that read a store without its server."""

from __future__ import annotations

from collections.abc import Callable

from lodur.config.overrides import Overrides, parse_overrides, read_files
from lodur.config.server_config import ServerConfig
from lodur.model.limits import DeletionMode
from lodur.model.tenant import TenantId


def overrides_now(config: ServerConfig | None) -> Overrides | None:
    """The settings of each tenant as the files of overrides say now; None without a configuration.

    Raises ConfigError where one of the files cannot be used: a server would not start with it.
    """
    return None if config is None else parse_overrides(read_files(config.runtime.files), config.tenants)


def deletion_modes(overrides: Overrides | None) -> Callable[[TenantId], DeletionMode]:
    """The mode of each tenant; without a configuration entries are hidden for all."""
    if overrides is None:
        return lambda _: DeletionMode.FILTER_AND_DELETE
    return lambda tenant: overrides.of(tenant).limits.deletion_mode
