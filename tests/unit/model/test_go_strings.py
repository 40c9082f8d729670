from __future__ import annotations

import pytest
from hypothesis import given

from lodur.model.go_strings import quote, unquote
from tests.strategies import texts


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("", '""'),
        ("plain text", '"plain text"'),
        ('a"b\\c', r'"a\"b\\c"'),
        ("\a\b\f\n\r\t\v", r'"\a\b\f\n\r\t\v"'),
        ("\x00\x1b\x7f", r'"\x00\x1b\x7f"'),
        ("é日本😀", '"é日本😀"'),
        ("\u00a0\u200b\ufeff", r'"\u00a0\u200b\ufeff"'),
        ("\U000e0001", r'"\U000e0001"'),
        ("\udcff", r'"\xff"'),
    ],
)
def test_quote_writes_what_go_writes(text: str, written: str) -> None:
    assert quote(text) == written
    assert unquote(written[1:-1]) == text


@given(texts)
def test_unquote_undoes_quote(text: str) -> None:
    assert unquote(quote(text)[1:-1]) == text


def test_unquote_reads_every_escape() -> None:
    assert unquote(r"\x41\101\u00e9\U0001F600\xc3\xa9") == "AAé😀é"


def test_unquote_keeps_bytes_that_are_not_utf8() -> None:
    assert unquote(r"a\xff").encode("utf-8", "surrogateescape") == b"a\xff"


@pytest.mark.parametrize("body", [r"\q", r"\'", r"\x4", r"\u12", r"\ud800", r"\U00110000", r"\400", r"\8", "\\"])
def test_unquote_refuses_wrong_escapes(body: str) -> None:
    with pytest.raises(ValueError, match="invalid char escape"):
        unquote(body)
