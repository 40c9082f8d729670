"""What the writer remembers of each tenant: the limits it pushes by, ready for use, and what it has used up of them.

Limits may change while the server runs; a push goes by those that held when it came. Start at `TenantStates.of`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from lodur.ingest.tenant_limits import TenantLimits
from lodur.model.clock import Clock
from lodur.model.limits import IngestLimits
from lodur.model.tenant import TenantId
from lodur.wire.otlp import mapping_message
from lodur.wire.push_body import PushLimits, push_limits

IngestLimitsOf: TypeAlias = Callable[[TenantId], IngestLimits]
"""The limits of a tenant's pushes, as they are now; the same object as long as they are the same."""

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
    used: TenantLimits


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
        self._states: dict[TenantId, TenantState] = {}
        self._decodings: dict[IngestLimits, Decoding] = {}

    def of(self, tenant: TenantId) -> TenantState:
        """The state of a tenant, by its limits of this moment."""
        limits = self._limits_of(tenant)
        with self._lock:
            state = self._states.get(tenant)
            if state is None:
                used = TenantLimits(tenant, limits, self._listed_entries_max, self._clock.monotonic_s())
            elif state.limits is limits:
                return state
            else:
                used = state.used
                used.change(limits, self._clock.monotonic_s())
            state = self._states[tenant] = TenantState(limits, self._decoding(limits), used)
            return state

    def _decoding(self, limits: IngestLimits) -> Decoding:
        found = self._decodings.get(limits)
        if found is None:
            mapping = mapping_message(limits.otlp)
            ready = push_limits(limits, decompressed_max_bytes=self._decompressed_max_bytes, otlp_mapping=mapping)
            if len(self._decodings) >= DECODINGS_MAX:
                self._decodings.clear()
            found = self._decodings[limits] = Decoding(ready, mapping)
        return found
