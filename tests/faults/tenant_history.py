"""One tenant of a history: what it has sent, and what it asks to be deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lodur.model.clock import ManualClock
from lodur.model.tenant import TenantId
from tests.faults.delete_steps import DeleteSteps
from tests.faults.deleted import Deleted
from tests.faults.faulty_store import Bucket
from tests.faults.model import Model
from tests.faults.process import CANCEL_PERIOD_NS, Process


class TenantHistory:
    """A tenant, over all processes: nothing that happens to it may be seen by another."""

    def __init__(self, tenant: TenantId, bucket: Bucket, clock: ManualClock, processes: Mapping[str, Process]) -> None:
        self.tenant = tenant
        self.model = Model(Deleted(CANCEL_PERIOD_NS))
        self.deletes = DeleteSteps(tenant, self.model.deleted, bucket, clock, processes)

    def is_rebuilt(self, line: Mapping[str, Any]) -> bool:
        """Whether a line of the log says that one of the tenant's manifests was rebuilt."""
        is_one = str(line["event"]).startswith("damaged manifest was rebuilt")
        return is_one and str(line["path"]).startswith(f"{self.tenant}/")
