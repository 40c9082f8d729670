"""Bring delete requests along when the first period of `schema_config` has become another one.

They are looked for in the store of the first period. A site that lists an older period later on would lose them, and
would see again what it had deleted. Start at `bring_requests`.
"""

from __future__ import annotations

import structlog

from lodur.model.tenant import TenantId
from lodur.store.deletes.paths import deletes_folder, log_path
from lodur.store.object_stores import ObjectStores

_log = structlog.get_logger(__name__)


def bring_requests(stores: ObjectStores, tenant: TenantId) -> None:
    """Copy a tenant's requests and audit trails to the first period's store where it has none; all others stay.

    The requests come last, so that what was cut off is done again. Raises as `ObjectStore`.
    """
    home, path = stores.oldest(), log_path(tenant)
    others = [store for store in stores.each() if store is not home]
    if not others or home.get(path) is not None:
        return
    source = next((store for store in others if store.get(path) is not None), None)
    if source is None:
        return
    paths = [listed.path for listed in source.list_objects(deletes_folder(tenant)) if listed.path != path]
    for each in (*paths, path):
        found = source.get(each)
        if found is not None:
            home.replace_if(each, found.data, None)
    _log.warning(
        "delete requests are copied to the store of the first period, which is another now", tenant=str(tenant)
    )
