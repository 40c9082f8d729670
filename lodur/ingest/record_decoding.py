"""From a record of a WAL to the rows that it stands for, whoever wrote it. Start at `RecordDecoder.decode`."""

from __future__ import annotations

from lodur.ingest.record_kinds import REENCODED, KeptBody, kept_body
from lodur.ingest.tenant_states import DECODINGS_MAX, IngestLimitsOf
from lodur.model.limits import IngestLimits
from lodur.model.tenant import TenantId
from lodur.store.journal import WalRecord
from lodur.wire.push_body import DecodedPush, PushLimits, decode, replay_limits


class RecordDecoder:
    """Any thread may decode."""

    def __init__(self, limits_of: IngestLimitsOf) -> None:
        self._limits_of = limits_of
        self._decodings: dict[tuple[IngestLimits, bytes], PushLimits] = {}

    def decode(self, tenant: TenantId, record: WalRecord) -> tuple[DecodedPush, KeptBody]:
        """The rows of a record, and the body that they came in. Raises InvalidRequest and LimitExceeded."""
        kept = kept_body(record.kind, record.payload)
        limits = PushLimits.unchecked() if record.kind == REENCODED else self._decoding(tenant, kept.otlp_mapping)
        return decode(kept.body, kept.form, limits, record.accepted_at_ns), kept

    def _decoding(self, tenant: TenantId, otlp_mapping: bytes) -> PushLimits:
        limits = self._limits_of(tenant)
        found = self._decodings.get((limits, otlp_mapping))
        if found is None:
            if len(self._decodings) >= DECODINGS_MAX:
                self._decodings.clear()
            found = self._decodings[limits, otlp_mapping] = replay_limits(limits, otlp_mapping)
        return found
