"""Turn LogQL text into a checked syntax tree.

Recursive descent over the tokens of `lexer`; the parts of the grammar stand in `log_parser`, `expression_parser` and
`stages`, the rules beyond grammar in `check`. Every wrong text raises QuerySyntaxError with the wording that clients
of Loki know and the place at fault. Start at `parse_query`.
"""

from __future__ import annotations

from lodur.logql.expression_parser import parse_expression
from lodur.logql.token_stream import TokenStream
from lodur.logql.tokens import TokenKind
from lodur.logql.tree import Query
from lodur.model.errors import QuerySyntaxError

QUERY_BYTES_MAX = 131072
"""Longest query read: the reference's own bound, far above any dashboard's; it bounds the work of parsing too."""


def parse_query(text: str) -> Query:
    """Read a query of any kind."""
    return parse_tree(text)


def parse_tree(text: str) -> Query:
    """Read a query without checking what the grammar cannot say."""
    size_bytes = len(text.encode("utf-8", "surrogatepass"))
    if size_bytes > QUERY_BYTES_MAX:
        message = f"parse error : input size too long ({size_bytes} > {QUERY_BYTES_MAX})"
        raise QuerySyntaxError(message, query=text)
    tokens = TokenStream(text)
    query = parse_expression(tokens)
    tokens.require(TokenKind.END)
    return query
