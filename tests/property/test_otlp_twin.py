"""OpenTelemetry logs through the kernel, in both forms, beside their slow twin."""

from __future__ import annotations

import contextlib
import json
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from lodur.ingest.record_kinds import KeptBody, kept_body, kind_of, payload_of
from lodur.kernels.push_decode import ContentEncoding, DecodedPush, PushFormat, decode_push
from lodur.model.errors import InvalidRequest, LimitExceeded
from lodur.model.limits import IngestLimits
from lodur.model.otlp import OtlpMapping
from lodur.wire.otlp import mapping_message
from lodur.wire.push_body import PushForm, decode, push_limits, replay_limits
from tests.oracles.otlp import ExpectedEntry, expected_entries
from tests.otlp_strategies import Json, as_protobuf, bodies, mappings

NOW_NS = 1_768_478_400_000_000_000

LIMITS = IngestLimits(reject_old_samples=False, future_grace_ns=2**63 - 1, label_names_max=1000, discover_levels=False)
"""Nothing is refused, and nothing is added but `service_name`."""


def forms(body: Json) -> list[tuple[bytes, PushFormat]]:
    return [(json.dumps(body).encode(), PushFormat.OTLP_JSON), (as_protobuf(body), PushFormat.OTLP_PROTOBUF)]


def entries(push: DecodedPush) -> list[ExpectedEntry]:
    """As the twin has them; levels are part of the metadata here, for nothing looks for them."""
    found = []
    for labels_text, ts_ns, line, metadata, level in push.entries():
        pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels_text)
        labels = tuple((name, unquoted(value)) for name, value in pairs)
        levels = [("detected_level", level)] if level else []
        found.append(ExpectedEntry(labels, ts_ns, line, tuple(sorted([*metadata, *levels]))))
    return found


def unquoted(text: str) -> str:
    """The meaning of a text that is quoted as Go quotes it."""
    codes = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}

    def meaning(found: re.Match[str]) -> str:
        escape = found[1]
        return chr(int(escape[1:], 16)) if escape.startswith("x") else codes.get(escape, escape)

    return re.sub(r"\\(x[0-9a-f]{2}|.)", meaning, text, flags=re.DOTALL)


@settings(max_examples=300)
@given(bodies, mappings)
def test_entries_are_those_of_the_twin(body: Json, mapping: OtlpMapping) -> None:
    expected = list(expected_entries(body, mapping, NOW_NS))
    message = mapping_message(mapping)
    limits = push_limits(LIMITS, decompressed_max_bytes=1 << 20, otlp_mapping=message)
    for raw, push_format in forms(body):
        form = PushForm(push_format, ContentEncoding.IDENTITY)
        push = decode(raw, form, limits, NOW_NS)
        assert entries(push) == expected
        assert push.all_accepted
        # What the write-ahead log keeps comes to the same, whatever the mapping is by then.
        kept = kept_body(kind_of(form), payload_of(KeptBody(form, raw, message)))
        again = decode(kept.body, kept.form, replay_limits(LIMITS, kept.otlp_mapping), NOW_NS)
        assert entries(again) == expected


@given(bodies, st.data())
def test_damaged_bodies_are_answered(body: Json, data: st.DataObject) -> None:
    for raw, push_format in forms(body):
        damaged = bytearray(raw)
        for _ in range(data.draw(st.integers(0, 3))):
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
        cut = bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
        limits = push_limits(IngestLimits(), decompressed_max_bytes=1 << 20, otlp_mapping=b"")
        with contextlib.suppress(InvalidRequest, LimitExceeded):
            push = decode_push(cut, format=push_format, encoding=ContentEncoding.IDENTITY, limits=limits, now_ns=NOW_NS)
            assert push.received_lines >= push.accepted_lines == len(push.entries())
