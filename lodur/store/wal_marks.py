"""Up to which record the WAL may be trimmed: the lowest mark of all tenants that have rows in no segment yet.

A tenant's mark is a number up to which all its records are in committed segments. Without I/O, so that the races can be
tested. Start at `WalMarks`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lodur.model.tenant import TenantId


class WalMarks:
    """The marks of all tenants; a tenant without one has nothing to lose. Methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_seq = 0
        self._marks: dict[TenantId, int] = {}
        self._last_seqs: dict[TenantId, int] = {}
        self._in_flight: dict[TenantId, int] = {}
        self._keeps_all = False

    def keep_all(self) -> None:
        """Something lies in the WAL that nobody has elsewhere: trim nothing from now on."""
        with self._lock:
            self._keeps_all = True

    @contextmanager
    def appending(self, tenant: TenantId) -> Iterator[None]:
        """Around an append and the insertion of its rows: what it writes is not trimmed meanwhile."""
        with self._lock:
            # The record will have a higher number than any that was given out before.
            self._marks.setdefault(tenant, self._last_seq)
            self._in_flight[tenant] = self._in_flight.get(tenant, 0) + 1
        try:
            yield
        finally:
            with self._lock:
                self._in_flight[tenant] -= 1

    def appended(self, tenant: TenantId, seq: int) -> None:
        """A record of the tenant has this number. Its rows are in the head, or will be before the gate opens."""
        with self._lock:
            self._marks.setdefault(tenant, seq - 1)
            self._last_seq = max(self._last_seq, seq)
            self._last_seqs[tenant] = max(self._last_seqs.get(tenant, 0), seq)

    def has(self, tenant: TenantId) -> bool:
        """The tenant may have records that are in no segment."""
        with self._lock:
            return tenant in self._marks

    def last_seq(self, tenant: TenantId) -> int:
        """The highest number of the tenant's records; exact while its appends are kept out."""
        with self._lock:
            return self._last_seqs.get(tenant, 0)

    def flushed(self, tenant: TenantId, up_to_seq: int) -> None:
        """All records of the tenant up to this number are in committed segments."""
        with self._lock:
            if up_to_seq >= self._last_seqs.get(tenant, 0) and not self._in_flight.get(tenant):
                self._marks.pop(tenant, None)
                self._in_flight.pop(tenant, None)
            elif tenant in self._marks:
                self._marks[tenant] = max(self._marks[tenant], up_to_seq)

    def floor(self) -> int:
        """The number up to which every record of every tenant is in committed segments."""
        with self._lock:
            return 0 if self._keeps_all else min(self._marks.values(), default=self._last_seq)
