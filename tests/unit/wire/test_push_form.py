"""How headers tell the form of a push."""

from __future__ import annotations

import pytest

from lodur.model.errors import InvalidRequest
from lodur.wire.push_body import ContentEncoding, PushForm, PushFormat, push_form


@pytest.mark.parametrize(
    ("content_type", "body_format"),
    [
        ("", PushFormat.LOKI_PROTOBUF),
        ("application/x-protobuf", PushFormat.LOKI_PROTOBUF),
        ("text/plain", PushFormat.LOKI_PROTOBUF),
        ("application/json", PushFormat.LOKI_JSON),
        ("Application/JSON", PushFormat.LOKI_JSON),
        ("application/json; charset=utf-8", PushFormat.LOKI_JSON),
        ('application/json;charset="utf-8"', PushFormat.LOKI_JSON),
    ],
)
def test_media_type_decides(content_type: str, body_format: PushFormat) -> None:
    form = push_form(content_type, "", is_legacy_path=False)
    assert form == PushForm(body_format, ContentEncoding.IDENTITY)


def test_json_on_the_old_path_has_the_old_shape() -> None:
    assert push_form("application/json", "", is_legacy_path=True).format == PushFormat.LEGACY_JSON
    assert push_form("", "", is_legacy_path=True).format == PushFormat.LOKI_PROTOBUF


@pytest.mark.parametrize("content_type", ["application/", "/json", "a b", "application/json; charset", ";", "äö/x"])
def test_malformed_media_types_are_refused(content_type: str) -> None:
    with pytest.raises(InvalidRequest, match="mime: "):
        push_form(content_type, "", is_legacy_path=False)


def test_unknown_encodings_are_refused_by_name() -> None:
    with pytest.raises(InvalidRequest, match=r'Content-Encoding "br" not supported'):
        push_form("", "br", is_legacy_path=False)
