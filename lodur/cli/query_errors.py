"""Show where a refused query is wrong.

The server says in its own words, and in words alone, what it does not understand. When it refuses a query the text is
read here once more with the parser that the server itself uses, so that a caret can stand under the place.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lodur.model.errors import InvalidRequest, QuerySyntaxError


@contextmanager
def pointing_at_syntax(query: str) -> Iterator[None]:
    """Add the place of a syntax error to whatever refusal comes out of the block."""
    try:
        yield
    except InvalidRequest as error:
        place = syntax_error_place(query)
        if not place:
            raise
        raise InvalidRequest(f"{error}\n{place}") from error


def syntax_error_place(query: str) -> str:
    """The line at fault with a caret under the place; empty where the query is well-formed."""
    # Imported here: only a refused query pays for the parser.
    from lodur.logql import parse_query

    try:
        parse_query(query)
    except QuerySyntaxError as error:
        return error.caret()
    return ""
