"""OpenTelemetry logs (OTLP): the form of a body by its headers, mappings as messages, and errors as clients read them.

The bodies themselves are read by `lodur.kernels.push_decode`. Start at `otlp_form`.
"""

from __future__ import annotations

import msgspec

from lodur.model.errors import InvalidRequest
from lodur.model.otlp import OtlpMapping, OtlpRule
from lodur.wire.push_body import JSON_TYPE, ContentEncoding, PushForm, PushFormat, PushLimits

PROTOBUF_TYPE = "application/x-protobuf"

STATUS_TYPE = "application/octet-stream"
"""What Loki calls the protobuf message of its refusals; clients read it as one all the same."""

_FORMATS = {PROTOBUF_TYPE: PushFormat.OTLP_PROTOBUF, JSON_TYPE: PushFormat.OTLP_JSON}

_ENCODINGS = {
    "": ContentEncoding.IDENTITY,
    "gzip": ContentEncoding.GZIP,
    "zstd": ContentEncoding.ZSTD,
    "lz4": ContentEncoding.LZ4,
}

_DEFAULT = OtlpMapping()


def otlp_form(content_type: str, content_encoding: str) -> PushForm:
    """The form that headers tell. Raises InvalidRequest for any other than those that are spoken here."""
    form = _FORMATS.get(content_type)
    if form is None:
        raise InvalidRequest(f"content type: {content_type} is not supported")
    encoding = _ENCODINGS.get(content_encoding)
    if encoding is None:
        raise InvalidRequest(f"unsupported content encoding {content_encoding}: only gzip, lz4 and zstd are supported")
    return PushForm(form, encoding)


def mapping_message(mapping: OtlpMapping) -> bytes:
    """A mapping for the kernel and for the write-ahead log; the default one is empty."""
    return b"" if mapping == _DEFAULT else msgspec.msgpack.encode(mapping)


def check_rule(rule: OtlpRule) -> None:
    """Raise InvalidRequest for a rule that cannot be followed: its expression is none."""
    PushLimits(otlp_mapping=msgspec.msgpack.encode(OtlpMapping(resource=(rule,))))


def status_message(text: str) -> bytes:
    """A `google.rpc.Status` with its `message` alone."""
    content = text.encode("utf-8", "replace")
    size, length = len(content), bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return b"\x12" + bytes(length) + bytes([size]) + content
