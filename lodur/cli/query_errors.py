"""Show where a refused query is wrong.

The server says in words alone what it does not understand. When it refuses a query the text is read here once more,
with the parser that Lodur's server itself uses, so that a caret can stand under the place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lodur.model.errors import InvalidRequest, QuerySyntaxError


def read_query(text: str) -> None:
    """Read a query as the server does; raises QuerySyntaxError."""
    # Imported here, as below: only a refused query pays for the parser.
    from lodur.logql.parser import parse_query

    parse_query(text)


def read_selector(text: str) -> None:
    """Read the selector of a labels request."""
    from lodur.logql.parser import parse_selector

    parse_selector(text)


def read_series_selector(text: str) -> None:
    """Read one selector of a series request."""
    from lodur.logql.parser import parse_selector

    parse_selector(text, allow_empty_compatible=True)


@contextmanager
def pointing_at_syntax(*texts: str, read: Callable[[str], None]) -> Iterator[None]:
    """Add the place of the first syntax error in `texts` to a refusal that comes out of the block."""
    try:
        yield
    except InvalidRequest as error:
        place = next(filter(None, (syntax_error_place(text, read) for text in texts)), "")
        if not place:
            raise
        raise InvalidRequest(f"{error}\n{place}") from error


def syntax_error_place(text: str, read: Callable[[str], None]) -> str:
    """The line at fault with a caret under the place; empty where the text is well-formed."""
    try:
        read(text)
    except QuerySyntaxError as error:
        return error.caret()
    return ""
