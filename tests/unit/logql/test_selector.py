from __future__ import annotations

import pytest

from lodur.logql.selector import Selector, can_match_empty, parse_selector
from lodur.logql.token_stream import TokenStream
from lodur.model.errors import QuerySyntaxError, Span
from lodur.model.matcher import Matcher, MatchOp


def test_matchers_keep_their_order() -> None:
    selector = parse_selector(TokenStream(' {b!~"x", a=`y`, b=~"", a!="z"}'))
    assert selector.matchers == (
        Matcher("b", MatchOp.NOT_MATCHES, "x"),
        Matcher("a", MatchOp.EQUAL, "y"),
        Matcher("b", MatchOp.MATCHES, ""),
        Matcher("a", MatchOp.NOT_EQUAL, "z"),
    )
    assert selector.span == Span(1, 31)


def test_no_matchers() -> None:
    assert parse_selector(TokenStream("{}")) == Selector(())


def test_a_wrong_regular_expression_is_pointed_at() -> None:
    with pytest.raises(QuerySyntaxError) as refused:
        parse_selector(TokenStream('{a="b", c=~"("}'))
    assert str(refused.value) == "parse error : error parsing regexp: missing closing ): `(`"
    assert refused.value.caret().splitlines() == ['{a="b", c=~"("}', "           ^^^"]


@pytest.mark.parametrize(
    ("op", "value", "matches"),
    [
        (MatchOp.EQUAL, "", True),
        (MatchOp.EQUAL, "x", False),
        (MatchOp.NOT_EQUAL, "", False),
        (MatchOp.NOT_EQUAL, "x", True),
        (MatchOp.MATCHES, ".*", True),
        (MatchOp.MATCHES, ".+", False),
        (MatchOp.NOT_MATCHES, ".*", False),
        (MatchOp.NOT_MATCHES, ".+", True),
    ],
)
def test_can_match_empty(op: MatchOp, value: str, matches: bool) -> None:
    assert can_match_empty(Matcher("a", op, value)) is matches
