from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodur.logql.json_path import parse_json_path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a", ("a",)),
        ("a.b_1.C", ("a", "b_1", "C")),
        ("a[0].b[12]", ("a", 0, "b", 12)),
        ('h["k-1"]["x\\"y"]', ("h", "k-1", 'x"y')),
        ("[0]", (0,)),
        ('["a b"].c', ("a b", "c")),
        (" a . b [ 0 ] ", ("a", "b", 0)),
    ],
)
def test_paths(text: str, path: tuple[str | int, ...]) -> None:
    assert parse_json_path(text) == path


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[a", "syntax error: unexpected FIELD, expecting STRING or INDEX"),
        ("a..b", "syntax error: unexpected DOT, expecting FIELD"),
        ("a[x]", "syntax error: unexpected FIELD, expecting STRING or INDEX"),
        ("a.", "syntax error: unexpected $end, expecting FIELD"),
        ("a[0", "syntax error: unexpected $end, expecting RSB"),
        ("", "syntax error: unexpected $end, expecting FIELD or LSB"),
        (".a", "syntax error: unexpected DOT, expecting FIELD or LSB"),
        ("a b", "syntax error: unexpected FIELD"),
        ("a-b", "unexpected char -"),
        ("a[1234567890]", "index 1234567890 is too large"),
        ('a["\\q"]', "invalid char escape"),
    ],
)
def test_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r".+") as refused:
        parse_json_path(text)
    assert str(refused.value) == f"cannot parse expression [{text}]: {reason}"


@given(st.text('a.["0]- \\', max_size=10))
def test_any_text_is_a_path_or_refused(text: str) -> None:
    try:
        path = parse_json_path(text)
    except ValueError as error:
        path = (str(error),)
    assert path
