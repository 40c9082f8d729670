"""The kind byte of WAL records: numbers that never change."""

from __future__ import annotations

import pytest

from lodur.ingest.record_kinds import (
    ENCODINGS,
    FORMATS,
    REENCODED,
    KeptBody,
    form_of,
    kept_body,
    kind_of,
    payload_of,
)
from lodur.model.errors import InvalidRequest
from lodur.wire.push_body import ContentEncoding, PushForm, PushFormat

GOLDEN = [
    (0x10, PushFormat.LOKI_PROTOBUF, ContentEncoding.IDENTITY),
    (0x11, PushFormat.LOKI_PROTOBUF, ContentEncoding.SNAPPY),
    (0x12, PushFormat.LOKI_PROTOBUF, ContentEncoding.GZIP),
    (0x20, PushFormat.LOKI_JSON, ContentEncoding.IDENTITY),
    (0x23, PushFormat.LOKI_JSON, ContentEncoding.DEFLATE),
    (0x30, PushFormat.LEGACY_JSON, ContentEncoding.IDENTITY),
    (0x34, PushFormat.LEGACY_JSON, ContentEncoding.ZSTD),
    (0x40, PushFormat.OTLP_PROTOBUF, ContentEncoding.IDENTITY),
    (0x45, PushFormat.OTLP_PROTOBUF, ContentEncoding.LZ4),
    (0x52, PushFormat.OTLP_JSON, ContentEncoding.GZIP),
]


@pytest.mark.parametrize(("kind", "body_format", "encoding"), GOLDEN)
def test_kinds_are_these_for_ever(kind: int, body_format: PushFormat, encoding: ContentEncoding) -> None:
    assert kind_of(PushForm(body_format, encoding)) == kind
    assert form_of(kind) == PushForm(body_format, encoding)


def test_every_form_has_a_kind_of_its_own() -> None:
    forms = [PushForm(body_format, encoding) for body_format in FORMATS for encoding in ENCODINGS]
    kinds = {kind_of(form) for form in forms}
    assert len(kinds) == len(forms)
    assert REENCODED not in kinds
    assert [form_of(kind_of(form)) for form in forms] == forms


@pytest.mark.parametrize("kind", [1, 0x0F, 0x16, 0x1F, 0x60, 0xFF])
def test_other_kinds_are_unknown(kind: int) -> None:
    assert form_of(kind) is None


def test_bodies_of_loki_are_their_own_payload() -> None:
    kept = KeptBody(PushForm(PushFormat.LOKI_JSON, ContentEncoding.GZIP), b"body")
    assert payload_of(kept) == b"body"
    assert kept_body(0x22, b"body") == kept


@pytest.mark.parametrize(("mapping", "payload"), [(b"", b"\0\0\0\0body"), (b"\x80map", b"\4\0\0\0\x80mapbody")])
def test_bodies_of_otlp_follow_their_mapping(mapping: bytes, payload: bytes) -> None:
    kept = KeptBody(PushForm(PushFormat.OTLP_PROTOBUF, ContentEncoding.IDENTITY), b"body", mapping)
    assert payload_of(kept) == payload
    assert kept_body(0x40, payload) == kept


@pytest.mark.parametrize("payload", [b"", b"\0\0\0", b"\2\0\0\0x", b"\xff\xff\xff\xff"])
def test_a_cut_payload_is_an_error(payload: bytes) -> None:
    with pytest.raises(InvalidRequest, match="the payload ends within"):
        kept_body(0x50, payload)


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(InvalidRequest, match="kind 96 is not known to this build"):
        kept_body(0x60, b"")
