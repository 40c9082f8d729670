"""Refused pushes are answered at a pace: a client that sends again at once would keep the server busy with refusals.

A refusal costs as much as an acceptance, for a body must be decoded to know what it holds. So beyond a burst, answers
of a tenant come one after the other. Clients that wait before they send again, as agents do, do not notice. Belongs to
the event loop. Start at `RefusalPace.wait_s`.
"""

from __future__ import annotations

from collections import OrderedDict

from lodur.model.clock import Clock
from lodur.model.tenant import TenantId

REFUSALS_PER_S = 20.0
"""Of a tenant: a refused body of a megabyte takes some milliseconds of a core, so this is a tenth of one."""

BURST = 40.0
"""Refusals answered at once: those of as many agents that were refused together."""

WAIT_MAX_S = 5.0
"""Half of what agents wait for an answer."""

TENANTS_MAX = 10_000
"""Whose pace is remembered; those refused longest ago are forgotten."""


class RefusalPace:
    """When refusals are answered."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due_s: OrderedDict[TenantId, float] = OrderedDict()
        """The moment up to which a tenant's refusals are spoken for."""

    def wait_s(self, tenant: TenantId) -> float:
        """How long to wait before a refusal is answered."""
        now_s = self._clock.monotonic_s()
        first_s = now_s - (BURST - 1) / REFUSALS_PER_S
        due_s = max(self._due_s.get(tenant, first_s), first_s)
        wait_s = min(max(0.0, due_s - now_s), WAIT_MAX_S)
        self._due_s[tenant] = min(due_s + 1 / REFUSALS_PER_S, now_s + WAIT_MAX_S)
        self._due_s.move_to_end(tenant)
        if len(self._due_s) > TENANTS_MAX:
            self._due_s.popitem(last=False)
        return wait_s
