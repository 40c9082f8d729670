"""Say what was probably meant by a query that was refused.

The texts of syntax errors are those that clients of Loki know, and say what stands at a place, not why it is wrong.
A hint says what to write instead; where nothing is obvious there is none. Start at `hint_for`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass

from lodur.logql.lexer import tokenize
from lodur.logql.tokens import AGGREGATIONS, CALLS, KEYWORDS, Token, TokenKind
from lodur.model.errors import QuerySyntaxError

_STAGES = (
    "json",
    "logfmt",
    "regexp",
    "pattern",
    "unpack",
    "line_format",
    "label_format",
    "decolorize",
    "drop",
    "keep",
    "unwrap",
)
_FUNCTIONS = (*(name for name in CALLS if name.endswith(("_time", "rate", "vector"))), "rate_counter", *AGGREGATIONS)
_INSTEAD_OF_PROMQL = {
    "increase": "count_over_time for entries, sum_over_time for an unwrapped label",
    "irate": "rate",
    "absent": "absent_over_time",
    "quantile": "quantile_over_time",
    "histogram_quantile": "quantile_over_time over an unwrapped label",
    "count_values": "count by (label)",
    "present_over_time": "count_over_time",
    "label_join": "label_format in the pipeline",
}
"""What people of PromQL look for."""

_COMPARISONS = frozenset(
    {TokenKind.GT, TokenKind.GTE, TokenKind.LT, TokenKind.LTE, TokenKind.CMP_EQ, TokenKind.EQ, TokenKind.NEQ}
)
_MATCHES = frozenset({TokenKind.EQ, TokenKind.NEQ, TokenKind.RE, TokenKind.NRE})
_OPENING = {TokenKind.OPEN_BRACE: TokenKind.CLOSE_BRACE, TokenKind.OPEN_PAREN: TokenKind.CLOSE_PAREN}
_WORDS = frozenset(KEYWORDS.values())
_TAKES_TEXT = frozenset(
    {
        TokenKind.PIPE_EXACT,
        TokenKind.PIPE_MATCH,
        TokenKind.PIPE_PATTERN,
        TokenKind.NOT_PATTERN,
        TokenKind.REGEXP,
        TokenKind.PATTERN,
        TokenKind.LINE_FORMAT,
    }
)
_LABEL_NAMES = "names of labels hold letters, digits and _ alone; others were replaced by _ when the logs arrived"


def hint_for(error: QuerySyntaxError) -> str | None:
    """What to write instead; None where that is not obvious."""
    message = str(error)
    for pattern, text in _BY_MESSAGE:
        if found := re.search(pattern, message, re.DOTALL):
            return found.expand(text)
    if error.span is None:
        return None if error.query.strip() else 'begin with a selector, such as {app="shop"}'
    if "unexpected" not in message:
        return None
    tokens = tokenize(error.query)
    at = next((at for at, token in enumerate(tokens) if token.start >= error.span.start), len(tokens) - 1)
    place = _Place(error.query, tokens, at)
    return next(filter(None, (rule(place) for rule in _RULES)), None)


_BY_MESSAGE = (
    (r"literal not terminated", r"this quote opens a text that does not end: each quote needs its partner"),
    (r"invalid char escape", r"double the backslash, or put the text in backquotes: `\\d+`"),
    (r"missing closing '\]'", r"close the window: [5m]"),
    (r'not a valid duration string: "\$', r"Grafana fills in its variables itself: write a duration here, such as 5m"),
    (r'not a valid duration string: "(\d+)"', r"a window needs a unit: [\g<1>s], [\g<1>m]"),
    (
        r"(?:not a valid|empty) duration string|in duration \"",
        r"a window is written in whole units from large to small: [1h30m]",
    ),
    (r"empty-compatible value", r'ask for a label that must be there, such as {app="shop"} or {app=~".+"}'),
    (r"invalid aggregation \w+ without unwrap", r"name the label that holds the number: | unwrap took"),
    (r"invalid aggregation (\w+) with unwrap", r"\g<1> counts entries: leave | unwrap out, or use sum_over_time"),
    (r"parameter required for operation quantile", r"say which quantile: quantile_over_time(0.99, …)"),
    (r"parameter required for operation (\w+)", r"say how many: \g<1>(5, …)"),
    (r"grouping not allowed for (\w+) aggregation", r"group around it: sum by (app) (\g<1>(…))"),
    (r"unexpected type for (?:left|right) leg", r"only numbers can be joined: count the entries, rate({…}[5m])"),
    (r"unexpected literal for .* \((\w+)\)", r"\g<1> joins series: write vector(1) instead of 1"),
    (r"unsupported Perl syntax: `?\(\?<?[=!]", r"regular expressions (RE2) cannot look around: use a second filter"),
    (r"error parsing regexp: missing (?:argument|closing)", r"to find such a character itself, put \\ before it"),
    (r"only label matchers are supported", r'only a selector can stand here, such as {app="shop"}'),
    (r"multiple label name '", r"use a second | label_format"),
)
"""Errors whose text says enough: what to look for in it, and the hint."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a token is out of place: the query, its tokens, and the number of that one."""

    text: str
    tokens: list[Token]
    at: int

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def kind(self, distance: int) -> TokenKind | None:
        """The kind of the token so far from the one out of place; None beyond the first and the last."""
        at = self.at + distance
        return self.tokens[at].kind if 0 <= at < len(self.tokens) else None

    def written(self, distance: int) -> str:
        token = self.tokens[self.at + distance]
        return self.text[token.start : token.end]

    def opened(self) -> int | None:
        """The number of the innermost bracket that is open at the place."""
        stack: list[int] = []
        for at, token in enumerate(self.tokens[: self.at]):
            if token.kind in _OPENING:
                stack.append(at)
            elif stack and token.kind is _OPENING[self.tokens[stack[-1]].kind]:
                stack.pop()
        return stack[-1] if stack else None

    def is_in_selector(self) -> bool:
        opened = self.opened()
        return opened is not None and self.tokens[opened].kind is TokenKind.OPEN_BRACE


def _function(place: _Place) -> str | None:
    """An unknown word in front of a parenthesis, where an expression begins."""
    if place.token.kind is not TokenKind.IDENTIFIER or place.is_in_selector() or place.kind(-1) is TokenKind.PIPE:
        return None
    name = place.written(0).lower()
    if place.kind(1) in (TokenKind.BY, TokenKind.WITHOUT) and name in AGGREGATIONS:
        return f"labels stand in parentheses: {name} {place.written(1)} (label) (…)"
    if place.kind(1) not in (TokenKind.OPEN_PAREN, TokenKind.BY, TokenKind.WITHOUT):
        return None
    if instead := _INSTEAD_OF_PROMQL.get(name):
        return f"there is no function '{name}' in LogQL: use {instead}"
    near = difflib.get_close_matches(name, _FUNCTIONS, n=1)
    return f"there is no function '{name}'" + (f": did you mean '{near[0]}'?" if near else "")


def _stage(place: _Place) -> str | None:
    """An unknown word behind a bar, which was taken for the label of a filter."""
    if place.kind(-1) is not TokenKind.IDENTIFIER or place.kind(-2) is not TokenKind.PIPE:
        return None
    if place.token.kind in _COMPARISONS:
        return None
    name = place.written(-1)
    near = difflib.get_close_matches(name.lower(), _STAGES, n=1)
    if near:
        return f"there is no stage '{name}': did you mean '{near[0]}'?"
    return f'compare the label, as in {name}="value"; the stages are {", ".join(_STAGES)}'


def _line_filter(place: _Place) -> str | None:
    """Text without the operator of a line filter, or with half of it."""
    token = place.token
    if place.opened() is not None and place.is_in_selector():
        return None
    if place.kind(-1) is TokenKind.PIPE:
        if token.kind is TokenKind.STRING:
            return "to search lines for a text, write |= in front of it"
        if token.kind is TokenKind.EQ or token.text == "~":
            return f"the operator is written without a blank: |{place.written(0)}"
        return "to leave lines out, write != for a text and !~ for an expression" if token.text == "!" else None
    if not _ends_stage(place.kind(-1)):
        return None
    if token.kind is TokenKind.EQ or token.kind is TokenKind.CMP_EQ:
        return "a line filter has a bar: |= for lines with the text, != for lines without it"
    if token.text == "~" or token.kind is TokenKind.RE:
        return "a line filter has a bar: |~ for lines that match, !~ for lines that do not"
    if token.kind is TokenKind.STRING and place.kind(-1) is TokenKind.CLOSE_BRACE:
        return "to search lines for a text, write |= in front of it"
    return None


def _bar(place: _Place) -> str | None:
    """A stage that no bar begins."""
    if not _ends_stage(place.kind(-1)) or place.is_in_selector():
        return None
    word = place.written(0)
    if word.lower() in _STAGES or (place.token.kind is TokenKind.IDENTIFIER and place.kind(1) in _COMPARISONS):
        return f"a stage begins with a bar: | {word}"
    return None


def _ends_stage(kind: TokenKind | None) -> bool:
    return kind in (TokenKind.CLOSE_BRACE, TokenKind.STRING, TokenKind.JSON, TokenKind.LOGFMT, TokenKind.UNPACK)


def _quotes(place: _Place) -> str | None:
    """Values without quotes, names in quotes, quotes of another language."""
    token = place.token
    if token.text == "'":
        return 'texts stand in double quotes or backquotes: "text" or `text`'
    if place.is_in_selector() and place.kind(-1) is TokenKind.STRING and re.search(r"[|{}]", place.written(-1)):
        return f"is a closing quote missing? The text before this is {place.written(-1)}"
    if place.kind(-1) in _TAKES_TEXT and token.kind is not TokenKind.END:
        return f"the text behind {place.written(-1)} needs quotes"
    if place.is_in_selector() and token.kind is TokenKind.STRING and place.kind(-1) not in _MATCHES:
        return f"the name of a label has no quotes: {token.text}="
    if place.kind(-2) is not TokenKind.IDENTIFIER:
        return None
    is_word = token.kind is TokenKind.IDENTIFIER or token.kind in _WORDS
    if place.kind(-1) in _MATCHES and (is_word or (place.is_in_selector() and token.kind is TokenKind.NUMBER)):
        return f'a text needs quotes: {place.written(-2)}{place.written(-1)}"{place.written(0)}"'
    if place.kind(-1) in _COMPARISONS and token.kind is TokenKind.STRING:
        if place.kind(-1) is TokenKind.CMP_EQ:
            return f"texts are compared by a single =: {place.written(-2)}={place.written(0)}"
        return f"only numbers can be compared by {place.written(-1)}: leave the quotes out"
    return None


def _size(place: _Place) -> str | None:
    """A number whose unit is not written as the language wants it."""
    unit = place.at if place.kind(-1) is TokenKind.NUMBER else place.at - 1  # a word may begin another filter
    if unit < 1 or place.tokens[unit].kind is not TokenKind.IDENTIFIER:
        return None
    number = place.tokens[unit - 1]
    if number.kind is not TokenKind.NUMBER or number.end != place.tokens[unit].start:
        return None
    return (
        "units are written B, KB, MB, GB, TB, KiB, MiB, GiB, TiB for sizes and ns, us, ms, s, m, h, d, w, y for times"
    )


def _selector(place: _Place) -> str | None:
    """What only a selector can have wrong."""
    if not place.is_in_selector():
        return None
    token, before = place.token, place.kind(-1)
    if token.text == ":":
        return "a matcher has an equals sign: " + f"{place.written(-1)}="
    if token.kind in (TokenKind.DOT, TokenKind.SUB) and before is TokenKind.IDENTIFIER:
        return _LABEL_NAMES
    if token.kind is TokenKind.CMP_EQ:
        return "a matcher has a single ="
    if token.kind in _WORDS and before in (TokenKind.OPEN_BRACE, TokenKind.COMMA):
        return f"'{place.written(0)}' is a word of the language: a label of that name cannot stand in a query"
    if token.kind is TokenKind.CLOSE_BRACE:
        if before is TokenKind.COMMA:
            return "leave the last comma out"
        return f'say which value: {place.written(-1)}="value"' if before is TokenKind.IDENTIFIER else None
    if before is TokenKind.STRING:
        if token.kind is TokenKind.IDENTIFIER:
            return "put a comma between matchers"
        if token.kind is not TokenKind.END:
            return "close the selector first, with }"
    return None


def _window(place: _Place) -> str | None:
    """Windows that are missing, or where none can be."""
    if place.token.kind is TokenKind.OFFSET and place.kind(-1) is TokenKind.CLOSE_PAREN:
        return f"an offset stands behind the window: rate({{…}}[5m] offset {place.written(1) or '1h'})"
    if place.token.kind is TokenKind.UNWRAP:
        return "unwrap makes numbers, for a function: sum_over_time({…} | unwrap took [5m])"
    if place.token.kind is TokenKind.RANGE:
        return f"a window stands in a function: rate({{…}}{place.written(0)})"
    opened = place.opened()
    if opened is None or opened == 0 or place.token.kind not in (TokenKind.CLOSE_PAREN, TokenKind.END, TokenKind.COMMA):
        return None
    name = place.tokens[opened - 1]
    inside = place.tokens[opened + 1 : place.at]
    if any(token.kind is TokenKind.RANGE for token in inside):
        return None
    if name.kind is TokenKind.RANGE_OP:
        return f"a window is missing: {name.text}({{…}}[5m])" if inside else None
    if name.kind is TokenKind.VECTOR_OP and inside and inside[0].kind is TokenKind.OPEN_BRACE:
        return f"{name.text} works on numbers: count the entries first, {name.text}(rate({{…}}[5m]))"
    return None


def _brackets(place: _Place) -> str | None:
    """Brackets without their partner."""
    token, opened = place.token, place.opened()
    if token.kind is TokenKind.END and opened is not None:
        bracket = place.tokens[opened]
        column = bracket.start - place.text.rfind("\n", 0, bracket.start)
        return f"the {bracket.kind.value} in column {column} is not closed: add {_OPENING[bracket.kind].value}"
    if opened is None and token.kind in _OPENING.values():
        return f"nothing is open here that {token.kind.value} could close"
    if place.kind(-1) in (TokenKind.BY, TokenKind.WITHOUT, TokenKind.ON, TokenKind.IGNORING):
        return f"labels stand in parentheses: {place.written(-1)} ({place.written(0)})" if token.text else None
    return None


def _label_list(place: _Place) -> str | None:
    """A name in a list of labels that cannot be one."""
    opened = place.opened()
    if opened is None or place.token.kind not in (TokenKind.DOT, TokenKind.SUB) or opened == 0:
        return None
    lists = (TokenKind.BY, TokenKind.WITHOUT, TokenKind.ON, TokenKind.IGNORING)
    return _LABEL_NAMES if place.tokens[opened - 1].kind in lists else None


def _beginning(place: _Place) -> str | None:
    """What no query begins with."""
    if place.at == 0 and place.token.kind is not TokenKind.END:
        return 'begin with a selector, such as {app="shop"}, or with a function'
    return None


_RULES: tuple[Callable[[_Place], str | None], ...] = (
    _function,
    _quotes,
    _size,
    _selector,
    _line_filter,
    _stage,
    _bar,
    _window,
    _label_list,
    _brackets,
    _beginning,
)
"""Asked in this order; the first answer is given."""
