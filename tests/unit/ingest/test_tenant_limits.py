"""Rates of streams and their number refuse one by one."""

from __future__ import annotations

import json

from lodur.ingest.tenant_limits import TenantLimits
from lodur.kernels.push_decode import ContentEncoding, PushFormat
from lodur.model.limits import IngestLimits
from lodur.model.tenant import TenantId
from lodur.store.journal import NoJournal
from lodur.store.options import FlushOptions
from lodur.store.tenant_store import HeadBytes, TenantStore
from lodur.store.wal_marks import WalMarks
from lodur.wire.push_body import DecodedPush, PushForm, PushLimits, decode

TENANT = TenantId("t")


def new_store() -> TenantStore:
    return TenantStore(TENANT, NoJournal(), WalMarks(), HeadBytes(), FlushOptions())


def push_of_streams(*streams: tuple[str, list[str]]) -> DecodedPush:
    """Streams by the value of their label, with their lines."""
    bodies = [
        {
            "stream": {"app": app},
            "values": [[str(1_704_067_200_500_000_000 + at), line] for at, line in enumerate(lines)],
        }
        for app, lines in streams
    ]
    body = json.dumps({"streams": bodies}).encode()
    return decode(body, PushForm(PushFormat.LOKI_JSON, ContentEncoding.IDENTITY), PushLimits.unchecked(), 1)


def test_streams_beyond_the_limit_are_refused_and_the_rest_is_not() -> None:
    limits = TenantLimits(TENANT, IngestLimits(active_streams_max=3), 10, 0.0)
    store = new_store()
    store.append(push_of_streams(("a", ["1"]), ("b", ["1"])), kind=0, payload=b"", accepted_at_ns=1, now_s=0.0)
    push = push_of_streams(("c", ["1"]), ("d", ["1", "22"]), ("a", ["2"]), ("e", ["1"]))
    refused = limits.check(push, store, 0.0)
    assert [(refusal.stream, refusal.lines, refusal.size_bytes) for refusal in refused] == [(1, 2, 3), (3, 1, 1)]
    assert {refusal.error.limit for refusal in refused} == {"stream_limit"}
    assert str(refused[-1].error) == (
        'maximum active stream limit exceeded when trying to create stream {app="e"}, reduce the number of active '
        "streams (reduce labels or reduce label values), or contact your Loki administrator to see if the limit can be "
        "increased, user: 't'"
    )
    kept = push.without_streams([refusal.stream for refusal in refused])
    assert [(labels, line) for labels, _, line, _, _ in kept.entries()] == [('{app="c"}', "1"), ('{app="a"}', "2")]
    assert (kept.accepted_lines, kept.accepted_bytes, kept.all_accepted) == (2, 2, False)
    assert kept.streams == [('{app="c"}', 1, 1), ('{app="a"}', 1, 1)]


def test_a_stream_that_is_too_fast_is_refused_alone_and_its_entries_are_listed() -> None:
    limits = TenantLimits(TENANT, IngestLimits(stream_rate_bytes=10, stream_burst_bytes=10), 2, 0.0)
    push = push_of_streams(("slow", ["0123456789"]), ("fast", ["0123", "4567", "890"]))
    (refusal,) = limits.check(push, new_store(), 0.0)
    assert (refusal.stream, refusal.lines, refusal.size_bytes) == (1, 3, 11)
    reason = (
        "Per stream rate limit exceeded (limit: 10B/sec) while attempting to ingest for stream '{app=\"fast\"}' "
        "totaling 11B, consider splitting a stream via additional labels or contact your Loki administrator to see if "
        "the limit can be increased"
    )
    assert str(refusal.error).splitlines() == [
        f"entry with timestamp 2024-01-01 00:00:00.5 +0000 UTC ignored, reason: '{reason}',",
        f"entry with timestamp 2024-01-01 00:00:00.500000001 +0000 UTC ignored, reason: '{reason}',",
        "user 't', total ignored: 3 out of 3 for stream: {app=\"fast\"}",
    ]
    # A refusal costs nothing: a smaller part may pass at once, more of the other stream has to wait.
    assert limits.check(push_of_streams(("fast", ["0123456789"])), new_store(), 0.0) == []
    assert len(limits.check(push_of_streams(("slow", ["x"])), new_store(), 0.0)) == 1
    assert limits.check(push_of_streams(("slow", ["x"])), new_store(), 1.0) == []
