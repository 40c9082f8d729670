"""Turn LogQL text into a checked syntax tree.

Recursive descent over the tokens of `lexer`; the parts of the grammar stand in `log_parser`, `expression_parser` and
`stages`, the rules beyond grammar in `check`. Every wrong text raises QuerySyntaxError with the wording that clients
of Loki know and the place at fault. Start at `parse_query`.
"""

from __future__ import annotations

from collections.abc import Sequence

from lodur.logql.check import check_query, check_selector, check_series_selector
from lodur.logql.expression_parser import parse_expression
from lodur.logql.selector import Selector
from lodur.logql.token_stream import TokenStream
from lodur.logql.tokens import TokenKind
from lodur.logql.tree import LogQuery, Query
from lodur.model.errors import QuerySyntaxError

QUERY_BYTES_MAX = 131072
"""Longest query read: the reference's own bound, far above any dashboard's; it bounds the work of parsing too."""


def parse_query(text: str) -> Query:
    """Read and check a query of any kind."""
    query = parse_tree(text)
    check_query(query, text)
    return query


def parse_log_query(text: str) -> LogQuery:
    """Read and check a query that must give entries."""
    query = parse_query(text)
    if not isinstance(query, LogQuery):
        raise QuerySyntaxError("only log selector is supported", query=text, span=query.span)
    return query


def parse_selector(text: str, *, allow_empty_compatible: bool = False) -> Selector:
    """Read a selector without a pipeline.

    One matcher at least must refuse streams without its label. With `allow_empty_compatible` (listing series) `{}` is
    every stream, and negative and empty matchers may stand alone.
    """
    query = parse_tree(text)
    if not isinstance(query, LogQuery) or query.stages:
        raise QuerySyntaxError("only label matchers are supported", query=text, span=query.span)
    check = check_series_selector if allow_empty_compatible else check_selector
    check(query.selector, text)
    return query.selector


def parse_series_selectors(texts: Sequence[str]) -> tuple[Selector, ...]:
    """Read the selectors of a series request, of which a stream may pass any; `{}` can only stand alone."""
    selectors = tuple(parse_selector(text, allow_empty_compatible=True) for text in texts)
    for selector, text in zip(selectors, texts, strict=True):
        if len(selectors) > 1 and not selector.matchers:
            raise QuerySyntaxError(f"0 matchers in group: {text}", query=text, span=selector.span)
    return selectors


def parse_tree(text: str) -> Query:
    """Read a query without the rules of `check`; formatting a query asks for no more."""
    size_bytes = len(text.encode("utf-8", "surrogatepass"))
    if size_bytes > QUERY_BYTES_MAX:
        message = f"parse error : input size too long ({size_bytes} > {QUERY_BYTES_MAX})"
        raise QuerySyntaxError(message, query=text)
    tokens = TokenStream(text)
    query = parse_expression(tokens)
    tokens.require(TokenKind.END)
    return query
