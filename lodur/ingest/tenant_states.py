"""What the writer remembers of each tenant: the limits it pushes by, ready for use, and what it has used up of them.

Limits may change while the server runs; a push goes by those that held when it came. Start at `TenantStates.of`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from lodur.ingest.stream_rules import StreamRules
from lodur.ingest.tenant_limits import TenantLimits
from lodur.model.clock import Clock
from lodur.model.limits import IngestLimits
from lodur.model.tenant import TenantId
from lodur.wire.otlp import mapping_message
from lodur.wire.push_body import PushLimits, push_limits

IngestLimitsOf: TypeAlias = Callable[[TenantId], IngestLimits]
"""The limits of a tenant's pushes, as they are now; the same object as long as they are the same."""

IDLE_S = 3600.0
"""A state that nobody asked for so long is dropped: by then a tenant has its whole burst again anyway."""

STATES_MAX = 10_000
"""Beyond it the state asked for longest ago goes: with per-stream rates each can be some megabytes."""

DECODINGS_MAX = 1000
"""Limits made ready for decoding and shared by tenants, some kilobytes each."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How the bodies of a tenant are decoded."""

    push_limits: PushLimits
    otlp_mapping: bytes


@dataclass(frozen=True, slots=True)
class TenantState:
    """A tenant's limits, and what it has used up of them."""

    limits: IngestLimits
    decoding: Decoding
    rules: StreamRules
    used: TenantLimits


@dataclass(slots=True)
class _Known:
    state: TenantState
    asked_s: float


class TenantStates:
    """The states of all tenants. Any thread may ask."""

    def __init__(
        self, limits_of: IngestLimitsOf, *, decompressed_max_bytes: int, listed_entries_max: int, clock: Clock
    ) -> None:
        self._limits_of = limits_of
        self._decompressed_max_bytes = decompressed_max_bytes
        self._listed_entries_max = listed_entries_max
        self._clock = clock
        self._lock = threading.Lock()
        self._states: OrderedDict[TenantId, _Known] = OrderedDict()
        """Asked for longest ago first."""
        self._decodings: dict[IngestLimits, Decoding] = {}

    def of(self, tenant: TenantId) -> TenantState:
        """The state of a tenant, by its limits of this moment."""
        limits, now_s = self._limits_of(tenant), self._clock.monotonic_s()
        with self._lock:
            known = self._states.get(tenant)
            if known is None:
                used = TenantLimits(tenant, limits, self._listed_entries_max, now_s)
                known = self._states[tenant] = _Known(self._state(tenant, limits, used), now_s)
            elif known.state.limits is not limits:
                used = known.state.used
                used.change(limits, now_s)
                known.state = self._state(tenant, limits, used)
            known.asked_s = now_s
            self._states.move_to_end(tenant)
            self._forget(now_s)
            return known.state

    def _state(self, tenant: TenantId, limits: IngestLimits, used: TenantLimits) -> TenantState:
        return TenantState(limits, self._decoding(limits), StreamRules(tenant, limits), used)

    def _forget(self, now_s: float) -> None:
        while True:
            tenant, known = next(iter(self._states.items()))
            if len(self._states) <= STATES_MAX and now_s - known.asked_s < IDLE_S:
                return
            del self._states[tenant]

    def _decoding(self, limits: IngestLimits) -> Decoding:
        found = self._decodings.get(limits)
        if found is None:
            mapping = mapping_message(limits.otlp)
            ready = push_limits(limits, decompressed_max_bytes=self._decompressed_max_bytes, otlp_mapping=mapping)
            if len(self._decodings) >= DECODINGS_MAX:
                self._decodings.clear()
            found = self._decodings[limits] = Decoding(ready, mapping)
        return found
