from __future__ import annotations

import pytest

from lodur.model.matcher import Matcher, MatchOp


@pytest.mark.parametrize(
    ("op", "printed", "is_regexp", "is_negative"),
    [
        (MatchOp.EQUAL, r'a="x\""', False, False),
        (MatchOp.NOT_EQUAL, r'a!="x\""', False, True),
        (MatchOp.MATCHES, r'a=~"x\""', True, False),
        (MatchOp.NOT_MATCHES, r'a!~"x\""', True, True),
    ],
)
def test_operators(op: MatchOp, printed: str, is_regexp: bool, is_negative: bool) -> None:
    assert str(Matcher("a", op, 'x"')) == printed
    assert op.is_regexp is is_regexp
    assert op.is_negative is is_negative
