from __future__ import annotations

import pytest

from lodur.logql.ip_pattern import parse_ip_pattern
from lodur.logql.pattern_expression import PatternCapture, PatternLiteral
from lodur.logql.stages.line_filter import LineAddress, LineFilter, LineFilterOp, LineOperand, LinePattern, LineText
from tests.unit.logql.stages.stage_reading import refusal_of, stage_of


@pytest.mark.parametrize("op", LineFilterOp)
def test_every_operator(op: LineFilterOp) -> None:
    operand: LineOperand = LineText("x")
    if op in (LineFilterOp.FITS, LineFilterOp.NOT_FITS):
        operand = LinePattern("x", (PatternLiteral("x"),))
    assert stage_of(f'{op.value} "x"') == LineFilter(op, (operand,))
    assert op.is_negative is op.value.startswith("!")


def test_alternatives() -> None:
    stage = stage_of('|= "a" or ip("10.0.0.0/8") OR `b`')
    assert stage == LineFilter(
        LineFilterOp.CONTAINS, (LineText("a"), LineAddress(parse_ip_pattern("10.0.0.0/8")), LineText("b"))
    )


def test_patterns_are_taken_apart() -> None:
    pattern = LinePattern("<_> x", (PatternCapture(""), PatternLiteral(" x")))
    assert stage_of('|> "<_> x"') == LineFilter(LineFilterOp.FITS, (pattern,))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("|= x", "parse error at line 1, col 12: syntax error: unexpected IDENTIFIER, expecting STRING or ip"),
        ('|= "x" or', "parse error at line 1, col 18: syntax error: unexpected $end, expecting STRING or ip"),
        ('|~ "("', "parse error : stage '|~ \"(\"' : error parsing regexp: missing closing ): `(`"),
        ('|~ ip("::1")', "parse error : stage '|~ ip(\"::1\")' : ip: invalid operation"),
        ('!> "<a>"', "parse error : stage '!> \"<a>\"' : named captures are not allowed: found '<a>'"),
        ('|= "a" or ip("x")', 'parse error : stage \'|= "a" or ip("x")\' : ip: invalid pattern: "x"'),
    ],
)
def test_refused(text: str, error: str) -> None:
    assert refusal_of(text) == error
