"""`| regexp "(?P<name>...)"`: named groups become labels."""

from __future__ import annotations

from dataclasses import dataclass, field

from lodur.logql.regexp_syntax import parse_regexp
from lodur.logql.selector import NO_SPAN
from lodur.logql.token_stream import TokenStream
from lodur.logql.tokens import TokenKind
from lodur.model.errors import Span
from lodur.model.go_strings import quote


@dataclass(frozen=True, slots=True)
class RegexpParser:
    """Matches the line against `regexp` (unanchored, RE2); `names` are its named groups, in order, one at least."""

    regexp: str
    names: tuple[str, ...]
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        return f"| regexp {quote(self.regexp)}"


def parse_regexp_parser(tokens: TokenStream, start: int) -> RegexpParser:
    """Read the stage from the word `regexp` on; its bar stands at `start`."""
    tokens.take()
    regexp = tokens.expect(TokenKind.STRING).text
    span = tokens.span_from(start)
    try:
        return RegexpParser(regexp, _label_names(regexp), span)
    except ValueError as error:
        raise tokens.refusal(f"invalid regexp parser: {error}", span) from error


def _label_names(regexp: str) -> tuple[str, ...]:
    """The names of the groups; ValueError with the field's text if they cannot all be labels."""
    names = parse_regexp(regexp).names
    if not names:
        raise ValueError("at least one named capture must be supplied")
    seen: set[str] = set()
    for name in names:
        if name[0].isdigit():
            raise ValueError(f"invalid extracted label name '{name}'")
        if name in seen:
            raise ValueError(f"duplicate extracted label name '{name}'")
        seen.add(name)
    return names
