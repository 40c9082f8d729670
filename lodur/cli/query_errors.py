"""Show where a refused query is wrong, and what was probably meant.

The server says in words alone what it does not understand. When it refuses a query the text is read here once more,
with the parser that Lodur's server itself uses, so that a caret can stand under the place, with a hint where one is
obvious.
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
        place = next(filter(None, (syntax_error_place(text, read) for text in texts)), "") or _hint_at_answer(error)
        if not place:
            raise
        raise InvalidRequest(f"{error}\n{place}") from error


def syntax_error_place(text: str, read: Callable[[str], None]) -> str:
    """The line at fault with a caret under the place, and a hint; empty where the text is well-formed."""
    try:
        read(text)
    except QuerySyntaxError as error:
        return _place_and_hint(error)
    return ""


def _hint_at_answer(error: InvalidRequest) -> str:
    """A hint at a well-formed query that was put to the wrong command."""
    return f"hint: {_FOR_LINES}" if "not supported as an instant query type" in str(error) else ""


_FOR_LINES = "`lodur query` asks for log lines; count them to have a metric: count_over_time({…}[5m])"


def explained(error: QuerySyntaxError) -> str:
    """The error's text, the line at fault with a caret under the place, and a hint."""
    return "\n".join(filter(None, (str(error), _place_and_hint(error))))


def _place_and_hint(error: QuerySyntaxError) -> str:
    from lodur.logql.hints import hint_for

    hint = hint_for(error)
    return "\n".join(filter(None, (error.caret(), f"hint: {hint}" if hint else "")))
