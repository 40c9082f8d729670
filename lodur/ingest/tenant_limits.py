"""Limits that need memory across pushes: rates of a tenant and of its streams, number of streams.

Limits of a single body are checked where it is decoded. A push is judged as a whole: it passes, or none of it does.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from datetime import UTC, datetime

from lodur.ingest.token_bucket import TokenBucket
from lodur.model.byte_size import format_byte_size
from lodur.model.durations import NS_PER_S
from lodur.model.errors import InvalidRequest, LimitExceeded
from lodur.model.limits import IngestLimits
from lodur.model.tenant import TenantId
from lodur.store.tenant_store import TenantStore
from lodur.wire.push_body import DecodedPush

STREAM_BUCKETS_MAX = 20_000
"""Streams whose rate is followed; those pushed to longest ago are forgotten, and begin anew with a full burst."""

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
"""A label value in the text of a stream, which must not be taken for a name."""


class TenantLimits:
    """One tenant's state. Any thread may call."""

    def __init__(self, tenant: TenantId, limits: IngestLimits, now_s: float) -> None:
        self._tenant = tenant
        self._limits = limits
        self._lock = threading.Lock()
        self._bucket = TokenBucket(rate=limits.rate_bytes, burst=limits.burst_bytes, now_s=now_s)
        self._streams: OrderedDict[str, TokenBucket] = OrderedDict()
        # Where the tenant as a whole may not push faster than one stream, the streams need no buckets.
        self._follows_streams = (
            limits.stream_rate_bytes < limits.rate_bytes or limits.stream_burst_bytes < limits.burst_bytes
        )
        self._required = [(name, re.compile(rf"(?:\{{|, ){re.escape(name)}=")) for name in limits.required_label_names]

    def check(self, push: DecodedPush, tenant_store: TenantStore, now_s: float) -> None:
        """Raise LimitExceeded (retryable) or InvalidRequest for a push that may not pass, with Loki's texts."""
        if self._required:
            self._check_required(push)
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
        if limits.active_streams_max:
            self._check_stream_count(push, tenant_store)
        if self._follows_streams:
            self._check_stream_rates(push, now_s)

    def _check_required(self, push: DecodedPush) -> None:
        for stream, _, _ in push.streams:
            names = _QUOTED.sub("", stream)
            missing = [name for name, pattern in self._required if not pattern.search(names)]
            if missing:
                raise InvalidRequest(
                    f"missing required labels '{','.join(missing)}' for user '{self._tenant}' for stream '{stream}' "
                    "(policy: '')"
                )

    def _check_stream_count(self, push: DecodedPush, tenant_store: TenantStore) -> None:
        new = tenant_store.count_new_streams(push)
        if not new or tenant_store.head_size().streams + new <= self._limits.active_streams_max:
            return
        raise LimitExceeded(
            f"maximum active stream limit exceeded when trying to create stream {push.streams[-1][0]}, reduce the "
            "number of active streams (reduce labels or reduce label values), or contact your Loki administrator to "
            f"see if the limit can be increased, user: '{self._tenant}'",
            limit="stream_limit",
            tenant=self._tenant.value,
            retryable=True,
        )

    def _check_stream_rates(self, push: DecodedPush, now_s: float) -> None:
        limits = self._limits
        for stream, lines, size_bytes in push.streams:
            with self._lock:
                bucket = self._streams.get(stream)
                if bucket is None:
                    bucket = TokenBucket(rate=limits.stream_rate_bytes, burst=limits.stream_burst_bytes, now_s=now_s)
                    self._streams[stream] = bucket
                self._streams.move_to_end(stream)
                if len(self._streams) > STREAM_BUCKETS_MAX:
                    self._streams.popitem(last=False)
            if not bucket.take(size_bytes, now_s):
                raise LimitExceeded(
                    f"Per stream rate limit exceeded (limit: {format_byte_size(limits.stream_rate_bytes)}/sec) while "
                    f"attempting to ingest for stream '{stream}' totaling {format_byte_size(size_bytes)}, consider "
                    "splitting a stream via additional labels or contact your Loki administrator to see if the limit "
                    f"can be increased, user '{self._tenant}', total ignored: {lines} out of {lines} for stream: "
                    f"{stream}",
                    limit="per_stream_rate_limit",
                    tenant=self._tenant.value,
                    retryable=True,
                )


def blocked_text(tenant: TenantId, limits: IngestLimits, now_ns: int) -> str | None:
    """The text of the answer while the tenant's pushes are blocked; None when they are not."""
    if limits.blocked_until_ns <= now_ns:
        return None
    until = datetime.fromtimestamp(limits.blocked_until_ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"ingestion blocked for user '{tenant}' until '{until}' with status code '{limits.blocked_status}'"
