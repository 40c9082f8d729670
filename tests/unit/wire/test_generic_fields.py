"""Fields that a tenant wants in structured metadata: added when a push comes, and again when it is replayed."""

from __future__ import annotations

from dataclasses import replace

from lodur.model.limits import IngestLimits
from lodur.wire.push_body import DecodedPush, PushLimits, decode, push_form, push_limits, replay_limits
from tests.push_bodies import json_push

LIMITS = IngestLimits(
    generic_fields=(("ticket.id", ("id", "t.id")), ("who", ("app",))), discover_levels=False, reject_old_samples=False
)

LINES = ("id=5 x=1", '{"t":{"id":"6"}}', "plain")


def decoded(limits: PushLimits) -> DecodedPush:
    body = json_push([({"app": "x"}, [(number + 1, line, {}) for number, line in enumerate(LINES)])])
    return decode(body, push_form("application/json", "", is_legacy_path=False), limits, 10)


def metadata(push: DecodedPush) -> list[dict[str, str]]:
    return [dict(pairs) for _, _, _, pairs, _ in push.entries()]


def test_they_are_copied_from_labels_and_lines() -> None:
    push = decoded(push_limits(LIMITS, decompressed_max_bytes=1 << 20, otlp_mapping=b""))
    assert metadata(push) == [{"who": "x", "ticket_id": "5"}, {"who": "x", "ticket_id": "6"}, {"who": "x"}]
    # What the sender is charged for is what was sent, and its body can be kept as it came.
    assert (push.accepted_bytes, push.all_accepted) == (sum(map(len, LINES)), True)
    assert metadata(decoded(replay_limits(LIMITS, b""))) == metadata(push)


def test_there_are_none_without_structured_metadata() -> None:
    limits = replace(LIMITS, allow_structured_metadata=False)
    push = decoded(push_limits(limits, decompressed_max_bytes=1 << 20, otlp_mapping=b""))
    assert metadata(push) == metadata(decoded(replay_limits(limits, b""))) == [{}, {}, {}]
