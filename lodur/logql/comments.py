"""Comments of a query's text, which its tree does not hold: formatting a file keeps those above the query.

Start at `format_text`.
"""

from __future__ import annotations

from lodur.logql.lexer import tokenize
from lodur.logql.parser import parse_tree
from lodur.logql.pretty import format_query
from lodur.model.errors import QuerySyntaxError, Span

_MARK = "#"


def format_text(text: str) -> str:
    """The query in `text` laid out, under the lines of comment that stand above it; no newline at the end.

    Raises QuerySyntaxError, also for a comment anywhere else: no layout can say what it belongs to.
    """
    formatted = format_query(parse_tree(text))
    header = _comment_lines_above(text)
    _refuse_comments(text, after=sum(len(line) for line in header))
    return "\n".join([*(line.strip() for line in header if line.strip()), formatted])


def _comment_lines_above(text: str) -> list[str]:
    """The lines, with their ends, of comments and blanks in front of the query."""
    lines = text.splitlines(keepends=True)
    count = next((at for at, line in enumerate(lines) if line.strip() and not line.lstrip().startswith(_MARK)), 0)
    return lines[:count]


def _refuse_comments(text: str, *, after: int) -> None:
    end = after
    for token in tokenize(text):
        start = text.find(_MARK, end, token.start) if token.start > end else -1
        if start >= 0:
            line_end = text.find("\n", start)
            span = Span(start, line_end if line_end >= 0 else len(text))
            message = "a comment within the query would be lost: put it on lines of its own above the query"
            raise QuerySyntaxError(message, query=text, span=span)
        end = max(end, token.end)
