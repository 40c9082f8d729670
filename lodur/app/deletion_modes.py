"""What delete requests do for each tenant, for commands that read a store without its server."""

from __future__ import annotations

from collections.abc import Callable

from lodur.config.overrides import parse_overrides, read_files
from lodur.config.server_config import ServerConfig
from lodur.model.limits import DeletionMode
from lodur.model.tenant import TenantId


def deletion_modes(config: ServerConfig | None) -> Callable[[TenantId], DeletionMode]:
    """The mode of each tenant as the files of overrides say now; without a configuration entries are hidden for all.

    Raises ConfigError where one of the files cannot be used: a server would not start with it.
    """
    if config is None:
        return lambda _: DeletionMode.FILTER_AND_DELETE
    overrides = parse_overrides(read_files(config.runtime.files), config.tenants)
    return lambda tenant: overrides.of(tenant).limits.deletion_mode
