"""What the payload of a WAL record is: the record's kind byte, for ever.

0 is a body that Lodur encoded itself, from a push that was accepted in part; all others are bodies as they came, with
their format and encoding. Table: docs/formats/wal.md.
"""

from __future__ import annotations

from lodur.store.journal import REENCODED
from lodur.wire.push_body import ContentEncoding, PushForm, PushFormat

__all__ = ["ENCODINGS", "FORMATS", "REENCODED", "form_of", "kind_of"]

FORMATS = (PushFormat.LOKI_PROTOBUF, PushFormat.LOKI_JSON, PushFormat.LEGACY_JSON)
"""By number; only ever appended to."""

ENCODINGS = (
    ContentEncoding.IDENTITY,
    ContentEncoding.SNAPPY,
    ContentEncoding.GZIP,
    ContentEncoding.DEFLATE,
    ContentEncoding.ZSTD,
)
"""By number; only ever appended to, up to 16."""

_REENCODED_FORM = PushForm(PushFormat.LOKI_PROTOBUF, ContentEncoding.IDENTITY)


def kind_of(form: PushForm) -> int:
    """The kind of a body that is kept as it came."""
    return 0x10 * (1 + FORMATS.index(form.format)) + ENCODINGS.index(form.encoding)


def form_of(kind: int) -> PushForm | None:
    """How a record's payload is to be read; None for a kind that this build does not know."""
    if kind == REENCODED:
        return _REENCODED_FORM
    format_number, encoding_number = kind // 0x10 - 1, kind % 0x10
    if not 0 <= format_number < len(FORMATS) or encoding_number >= len(ENCODINGS):
        return None
    return PushForm(FORMATS[format_number], ENCODINGS[encoding_number])
