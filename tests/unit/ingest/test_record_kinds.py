"""The kind byte of WAL records: numbers that never change."""

from __future__ import annotations

import pytest

from lodur.ingest.record_kinds import ENCODINGS, FORMATS, REENCODED, form_of, kind_of
from lodur.wire.push_body import ContentEncoding, PushForm, PushFormat

GOLDEN = [
    (0x10, PushFormat.LOKI_PROTOBUF, ContentEncoding.IDENTITY),
    (0x11, PushFormat.LOKI_PROTOBUF, ContentEncoding.SNAPPY),
    (0x12, PushFormat.LOKI_PROTOBUF, ContentEncoding.GZIP),
    (0x20, PushFormat.LOKI_JSON, ContentEncoding.IDENTITY),
    (0x23, PushFormat.LOKI_JSON, ContentEncoding.DEFLATE),
    (0x30, PushFormat.LEGACY_JSON, ContentEncoding.IDENTITY),
    (0x34, PushFormat.LEGACY_JSON, ContentEncoding.ZSTD),
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


@pytest.mark.parametrize("kind", [1, 0x0F, 0x15, 0x1F, 0x40, 0xFF])
def test_other_kinds_are_unknown(kind: int) -> None:
    assert form_of(kind) is None
