from __future__ import annotations

import pytest

from lodur.logql.ip_pattern import parse_ip_pattern
from lodur.logql.stages.label_filter import (
    AddressPredicate,
    AllOf,
    AnyOf,
    BytesPredicate,
    CompareOp,
    DurationPredicate,
    LabelFilter,
    LabelPredicate,
    NumberPredicate,
    StringPredicate,
)
from lodur.model.matcher import Matcher, MatchOp
from tests.unit.logql.stages.stage_reading import refusal_of, stage_of

_A, _B, _C, _D = (StringPredicate(Matcher(name, MatchOp.EQUAL, "1")) for name in "abcd")


@pytest.mark.parametrize(
    ("text", "predicate"),
    [
        ('a=~"x"', StringPredicate(Matcher("a", MatchOp.MATCHES, "x"))),
        ('a!="x"', StringPredicate(Matcher("a", MatchOp.NOT_EQUAL, "x"))),
        ("a=5", NumberPredicate("a", CompareOp.EQUAL, 5)),
        ("a==5", NumberPredicate("a", CompareOp.EQUAL, 5)),
        ("a!=+5", NumberPredicate("a", CompareOp.NOT_EQUAL, 5)),
        ("a>=-0.5", NumberPredicate("a", CompareOp.GREATER_OR_EQUAL, -0.5)),
        ("a > 1h30m", DurationPredicate("a", CompareOp.GREATER, 5400 * 10**9)),
        ("a < -5m", DurationPredicate("a", CompareOp.LESS, -300 * 10**9)),
        ("a < 1d", DurationPredicate("a", CompareOp.LESS, 86400 * 10**9)),
        ("a <= -0", DurationPredicate("a", CompareOp.LESS_OR_EQUAL, 0)),
        ("a <= - 0", NumberPredicate("a", CompareOp.LESS_OR_EQUAL, 0)),
        ("a > 5KB", BytesPredicate("a", CompareOp.GREATER, 5000)),
        ("a > 1.5GiB", BytesPredicate("a", CompareOp.GREATER, 1_610_612_736)),
        ('a = ip("::1")', AddressPredicate("a", False, parse_ip_pattern("::1"))),
        ('a != ip("10.0.0.0/8")', AddressPredicate("a", True, parse_ip_pattern("10.0.0.0/8"))),
    ],
)
def test_predicates(text: str, predicate: LabelPredicate) -> None:
    assert stage_of(f"| {text}") == LabelFilter(predicate)


@pytest.mark.parametrize(
    ("text", "predicate"),
    [
        ('a="1" and b="1" or c="1"', AnyOf((AllOf((_A, _B)), _C))),
        ('a="1" or b="1" and c="1"', AnyOf((_A, AllOf((_B, _C))))),
        ('a="1", b="1" or c="1"', AllOf((_A, AnyOf((_B, _C))))),
        ('a="1" b="1" or c="1"', AllOf((_A, AnyOf((_B, _C))))),
        ('a="1" or b="1", c="1"', AnyOf((_A, AllOf((_B, _C))))),
        ('a="1" or b="1", c="1" or d="1"', AnyOf((_A, AllOf((_B, AnyOf((_C, _D))))))),
        ('a="1" and b="1", c="1" or d="1"', AllOf((_A, _B, AnyOf((_C, _D))))),
        ('(a="1" or b="1"), c="1"', AllOf((AnyOf((_A, _B)), _C))),
        ('a="1" and (b="1" and (c="1", d="1"))', AllOf((_A, _B, _C, _D))),
        ('(a="1" or (b="1" or c="1"))', AnyOf((_A, _B, _C))),
        ('((a="1"))', _A),
    ],
)
def test_precedence(text: str, predicate: LabelPredicate) -> None:
    assert stage_of(f"| {text}") == LabelFilter(predicate)


@pytest.mark.parametrize("joint", [" or ", " and ", ", ", " "])
def test_long_chains_are_no_nesting(joint: str) -> None:
    stage = stage_of("| " + joint.join(f'a="{at}"' for at in range(2000)))
    assert isinstance(stage, LabelFilter)
    assert isinstance(stage.predicate, AllOf | AnyOf)
    assert len(stage.predicate.terms) == 2000


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('| a=="x"', "parse error at line 1, col 14: syntax error: unexpected STRING"),
        ("| a=~5", "parse error at line 1, col 14: syntax error: unexpected NUMBER, expecting STRING"),
        ('| a>ip("::1")', "parse error at line 1, col 13: syntax error: unexpected ip"),
        ('| a="1" or', "parse error at line 1, col 19: syntax error: unexpected $end, expecting IDENTIFIER or ("),
        ("| a", "parse error at line 1, col 12: syntax error: unexpected $end"),
        ('| a=~"("', "parse error : error parsing regexp: missing closing ): `(`"),
        ('| a!=ip("x")', 'parse error : stage \'| a!=ip("x")\' : ip: invalid pattern: "x"'),
        (
            "| a>0x1",
            'parse error : unable to parse literal as a float: strconv.ParseFloat: parsing "0x1": invalid syntax',
        ),
    ],
)
def test_refused(text: str, error: str) -> None:
    assert refusal_of(text) == error
