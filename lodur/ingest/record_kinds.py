"""What the payload of a WAL record is: the record's kind byte, for ever.

0 is a body that Lodur encoded itself, from a push that was accepted in part; all others are bodies as they came, with
their format and encoding. Bodies of OTLP follow the mapping by which their attributes became labels, since replay must
come to the same streams whatever the configuration is then. Table: docs/formats/wal.md.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from lodur.model.errors import InvalidRequest
from lodur.store.journal import REENCODED
from lodur.wire.push_body import ContentEncoding, PushForm, PushFormat

__all__ = ["ENCODINGS", "FORMATS", "REENCODED", "KeptBody", "form_of", "kept_body", "kind_of", "payload_of"]

FORMATS = (
    PushFormat.LOKI_PROTOBUF,
    PushFormat.LOKI_JSON,
    PushFormat.LEGACY_JSON,
    PushFormat.OTLP_PROTOBUF,
    PushFormat.OTLP_JSON,
)
"""By number; only ever appended to."""

ENCODINGS = (
    ContentEncoding.IDENTITY,
    ContentEncoding.SNAPPY,
    ContentEncoding.GZIP,
    ContentEncoding.DEFLATE,
    ContentEncoding.ZSTD,
    ContentEncoding.LZ4,
)
"""By number; only ever appended to, up to 16."""

_OTLP_FORMATS = frozenset({PushFormat.OTLP_PROTOBUF, PushFormat.OTLP_JSON})

_MAPPING_LENGTH = struct.Struct("<I")

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


@dataclass(frozen=True, slots=True)
class KeptBody:
    """A body as a record has it."""

    form: PushForm
    body: bytes
    otlp_mapping: bytes = b""
    """The message of the mapping in force when an OTLP body was accepted; empty for the default one."""


def payload_of(kept: KeptBody) -> bytes:
    """The payload of a body that is kept as it came."""
    if kept.form.format not in _OTLP_FORMATS:
        return kept.body
    return b"".join((_MAPPING_LENGTH.pack(len(kept.otlp_mapping)), kept.otlp_mapping, kept.body))


def kept_body(kind: int, payload: bytes) -> KeptBody:
    """What a record's payload is. Raises InvalidRequest for a kind that this build does not know, or a cut payload."""
    form = form_of(kind)
    if form is None:
        raise InvalidRequest(f"kind {kind} is not known to this build")
    if form.format not in _OTLP_FORMATS:
        return KeptBody(form, payload)
    begin = _MAPPING_LENGTH.size
    if len(payload) < begin:
        raise InvalidRequest("the payload ends within the length of its mapping")
    end = begin + _MAPPING_LENGTH.unpack_from(payload)[0]
    if len(payload) < end:
        raise InvalidRequest("the payload ends within its mapping")
    return KeptBody(form, payload[end:], payload[begin:end])
