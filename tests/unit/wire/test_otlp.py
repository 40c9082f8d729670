"""Headers of OTLP requests, mappings as messages and refusals as clients read them."""

from __future__ import annotations

import pytest

from lodur.kernels.push_decode import decode_push
from lodur.model.errors import InvalidRequest
from lodur.model.limits import IngestLimits
from lodur.model.otlp import DEFAULT_INDEX_LABELS, OtlpAction, OtlpMapping, OtlpRule
from lodur.wire.otlp import mapping_message, otlp_form, status_message
from lodur.wire.push_body import ContentEncoding, PushForm, PushFormat, push_limits
from tests.push_bodies import bytes_field

GOLDEN_MAPPING = (
    b"\x84\xa8resource\x91\x83\xa6action\xabindex_label\xaaattributes\x92\xa3a.b\xa1c\xa5regex\xa0"
    b"\xa5scope\x91\x83\xa6action\xa4drop\xaaattributes\x90\xa5regex\xa3x.*"
    b"\xa3log\x91\x83\xa6action\xb3structured_metadata\xaaattributes\x91\xa1d\xa5regex\xa0"
    b"\xb6severity_text_as_label\xc3"
)


def test_headers_tell_the_form() -> None:
    assert otlp_form("application/x-protobuf", "") == PushForm(PushFormat.OTLP_PROTOBUF, ContentEncoding.IDENTITY)
    assert otlp_form("application/json", "gzip") == PushForm(PushFormat.OTLP_JSON, ContentEncoding.GZIP)
    assert otlp_form("application/json", "zstd").encoding == ContentEncoding.ZSTD
    assert otlp_form("application/json", "lz4").encoding == ContentEncoding.LZ4


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/json; charset=utf-8", "Application/JSON"])
def test_other_media_types_are_refused(content_type: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        otlp_form(content_type, "")
    assert str(raised.value) == f"content type: {content_type} is not supported"


@pytest.mark.parametrize("encoding", ["snappy", "deflate", "br", "GZIP", "identity"])
def test_other_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        otlp_form("application/json", encoding)
    text = f"unsupported content encoding {encoding}: only gzip, lz4 and zstd are supported"
    assert str(raised.value) == text


def test_a_mapping_is_written_like_this_for_ever() -> None:
    mapping = OtlpMapping(
        resource=(OtlpRule(OtlpAction.INDEX_LABEL, ("a.b", "c")),),
        scope=(OtlpRule(OtlpAction.DROP, regex="x.*"),),
        log=(OtlpRule(OtlpAction.STRUCTURED_METADATA, ("d",)),),
        severity_text_as_label=True,
    )
    assert mapping_message(mapping) == GOLDEN_MAPPING
    assert mapping_message(OtlpMapping()) == b""


def test_the_kernel_knows_the_same_defaults() -> None:
    """An empty message stands for them, in the write-ahead log for ever."""

    def attribute(key: str) -> bytes:
        return bytes_field(1, bytes_field(1, key.encode()) + bytes_field(2, bytes_field(1, b"v")))

    names = (*DEFAULT_INDEX_LABELS, "host.name")
    resource = bytes_field(1, b"".join(attribute(name) for name in names))
    body = bytes_field(1, resource + bytes_field(2, bytes_field(2, b"")))
    limits = push_limits(
        IngestLimits(label_names_max=100), decompressed_max_bytes=1 << 20, otlp_mapping=mapping_message(OtlpMapping())
    )
    push = decode_push(
        body, format=PushFormat.OTLP_PROTOBUF, encoding=ContentEncoding.IDENTITY, limits=limits, now_ns=1
    )
    ((labels, _, _, metadata, _),) = push.entries()
    pairs = ", ".join(f'{name}="v"' for name in sorted(name.replace(".", "_") for name in DEFAULT_INDEX_LABELS))
    assert labels == f"{{{pairs}}}"
    assert metadata == [("host_name", "v")]


@pytest.mark.parametrize("text", ["", "short", "x" * 127, "x" * 128, "é" * 20_000])
def test_a_status_has_its_message_alone(text: str) -> None:
    assert status_message(text) == bytes_field(2, text.encode())
