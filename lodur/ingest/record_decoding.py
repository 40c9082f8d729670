"""From a record of a WAL to the rows that it stands for, whoever wrote it. Start at `RecordDecoder.decode`."""

from __future__ import annotations

from lodur.ingest.record_kinds import REENCODED, KeptBody, kept_body
from lodur.model.limits import IngestLimits
from lodur.store.journal import WalRecord
from lodur.wire.push_body import DecodedPush, PushLimits, decode, replay_limits

MAPPINGS_HELD_MAX = 1000
"""Mappings of OTLP attributes, each compiled once: there are as many as tenants with one, and changes of them."""


class RecordDecoder:
    """Decodes for one thread at a time."""

    def __init__(self, limits: IngestLimits) -> None:
        self._limits = limits
        self._raw_limits: dict[bytes, PushLimits] = {}

    def decode(self, record: WalRecord) -> tuple[DecodedPush, KeptBody]:
        """The rows of a record, and the body that they came in. Raises InvalidRequest and LimitExceeded."""
        kept = kept_body(record.kind, record.payload)
        limits = PushLimits.unchecked() if record.kind == REENCODED else self._limits_of(kept.otlp_mapping)
        return decode(kept.body, kept.form, limits, record.accepted_at_ns), kept

    def _limits_of(self, otlp_mapping: bytes) -> PushLimits:
        found = self._raw_limits.get(otlp_mapping)
        if found is None:
            if len(self._raw_limits) >= MAPPINGS_HELD_MAX:
                self._raw_limits.clear()
            found = self._raw_limits[otlp_mapping] = replay_limits(self._limits, otlp_mapping)
        return found
