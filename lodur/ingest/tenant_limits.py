"""Limits that need memory across pushes: rates of a tenant and of its streams, number of streams.

Limits of a single body are checked where it is decoded. What is asked of the tenant refuses a push as a whole; what is
asked of a stream refuses its entries alone. Start at `TenantLimits.check`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from lodur.ingest.token_bucket import TokenBucket
from lodur.model.byte_size import format_setting_byte_size
from lodur.model.durations import NS_PER_S
from lodur.model.errors import LimitExceeded
from lodur.model.limits import IngestLimits
from lodur.model.tenant import TenantId
from lodur.store.tenant_store import TenantStore
from lodur.wire.push_body import DecodedPush

STREAM_BUCKETS_MAX = 20_000
"""Streams whose rate is followed; those pushed to longest ago are forgotten, and begin anew with a full burst."""

LISTED_ENTRIES_MAX = 1000
"""Entries that an answer lists even where all are asked for: each repeats its stream's labels."""

Stream: TypeAlias = tuple[int, str, int, int]
"""Place in the push, label set in text form, accepted lines, accepted bytes."""


@dataclass(frozen=True, slots=True)
class StreamRefusal:
    """A stream of a push that may not pass now."""

    stream: int
    """Its place in `DecodedPush.streams`."""
    lines: int
    size_bytes: int
    error: LimitExceeded


class TenantLimits:
    """One tenant's state. Any thread may call. `listed_entries_max` entries are listed in an answer; 0 = all.

    The limits may be changed: rates hold from then on, and what was used up stays used up.
    """

    def __init__(self, tenant: TenantId, limits: IngestLimits, listed_entries_max: int, now_s: float) -> None:
        self._tenant = tenant
        self._listed_entries_max = min(listed_entries_max or LISTED_ENTRIES_MAX, LISTED_ENTRIES_MAX)
        self._lock = threading.Lock()
        self._bucket = TokenBucket(rate=limits.rate_bytes, burst=limits.burst_bytes, now_s=now_s)
        self._streams: OrderedDict[str, TokenBucket] = OrderedDict()
        self._set(limits)

    def change(self, limits: IngestLimits, now_s: float) -> None:
        """Check by these limits from now on."""
        with self._lock:
            self._bucket.change(rate=limits.rate_bytes, burst=limits.burst_bytes, now_s=now_s)
            for bucket in self._streams.values():
                bucket.change(rate=limits.stream_rate_bytes, burst=limits.stream_burst_bytes, now_s=now_s)
            self._set(limits)

    def check(self, push: DecodedPush, tenant_store: TenantStore, now_s: float) -> list[StreamRefusal]:
        """The streams that may not pass, with Loki's texts.

        Raises LimitExceeded (retryable) where nothing of the push may.
        """
        limits = self._limits
        if not self._bucket.take(push.accepted_bytes, now_s):
            raise LimitExceeded(
                f"ingestion rate limit exceeded for user {self._tenant} (limit: {limits.rate_bytes} bytes/sec) while "
                f"attempting to ingest '{push.accepted_lines}' lines totaling '{push.accepted_bytes}' bytes, reduce "
                "log volume or contact your Loki administrator to see if the limit can be increased",
                limit="rate_limited",
                tenant=self._tenant.value,
                retryable=True,
            )
        if not limits.active_streams_max and not self._follows_streams:
            return []
        streams = [(place, *stream) for place, stream in enumerate(push.streams)]
        refused = self._beyond_count(push, streams, tenant_store) if limits.active_streams_max else []
        if self._follows_streams:
            known = {refusal.stream for refusal in refused}
            refused += self._too_fast(push, [stream for stream in streams if stream[0] not in known], now_s)
        return refused

    def _set(self, limits: IngestLimits) -> None:
        self._limits = limits
        # Where the tenant as a whole may not push faster than one stream, the streams need no buckets.
        self._follows_streams = (
            limits.stream_rate_bytes < limits.rate_bytes or limits.stream_burst_bytes < limits.burst_bytes
        )

    def _beyond_count(self, push: DecodedPush, streams: list[Stream], tenant_store: TenantStore) -> list[StreamRefusal]:
        new = tenant_store.new_streams(push)
        room = max(self._limits.active_streams_max - tenant_store.head_size().streams, 0)
        return [
            self._refusal(
                streams[place],
                "stream_limit",
                f"maximum active stream limit exceeded when trying to create stream {streams[place][1]}, reduce the "
                "number of active streams (reduce labels or reduce label values), or contact your Loki administrator "
                f"to see if the limit can be increased, user: '{self._tenant}'",
            )
            for place in new[room:]
        ]

    def _too_fast(self, push: DecodedPush, streams: list[Stream], now_s: float) -> list[StreamRefusal]:
        return [
            self._refusal(stream, "per_stream_rate_limit", self._too_fast_text(push, stream))
            for stream in streams
            if not self._bucket_of(stream[1], now_s).take(stream[3], now_s)
        ]

    def _bucket_of(self, labels: str, now_s: float) -> TokenBucket:
        limits = self._limits
        with self._lock:
            bucket = self._streams.get(labels)
            if bucket is None:
                bucket = TokenBucket(rate=limits.stream_rate_bytes, burst=limits.stream_burst_bytes, now_s=now_s)
                self._streams[labels] = bucket
            self._streams.move_to_end(labels)
            if len(self._streams) > STREAM_BUCKETS_MAX:
                self._streams.popitem(last=False)
            return bucket

    def _too_fast_text(self, push: DecodedPush, stream: Stream) -> str:
        place, labels, lines, size_bytes = stream
        rate, total = format_setting_byte_size(self._limits.stream_rate_bytes), format_setting_byte_size(size_bytes)
        reason = (
            f"Per stream rate limit exceeded (limit: {rate}/sec) while attempting to ingest for stream '{labels}' "
            f"totaling {total}, consider splitting a stream via additional labels or contact your Loki administrator "
            "to see if the limit can be increased"
        )
        listed = push.times_of(place, min(self._listed_entries_max, lines))
        entries = "".join(f"entry with timestamp {_go_time(ts_ns)} ignored, reason: '{reason}',\n" for ts_ns in listed)
        return f"{entries}user '{self._tenant}', total ignored: {lines} out of {lines} for stream: {labels}"

    def _refusal(self, stream: Stream, limit: str, text: str) -> StreamRefusal:
        place, _, lines, size_bytes = stream
        error = LimitExceeded(text, limit=limit, tenant=self._tenant.value, retryable=True)
        return StreamRefusal(place, lines, size_bytes, error)


def _go_time(ts_ns: int) -> str:
    """A time as Go prints it where nobody says how: `2024-01-01 00:00:00.5 +0000 UTC`."""
    seconds, fraction = divmod(ts_ns, NS_PER_S)
    moment = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{moment}{f'.{fraction:09d}'.rstrip('0').rstrip('.')} +0000 UTC"
