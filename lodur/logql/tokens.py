"""The words of LogQL: kinds of tokens, as they are named in error messages."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from lodur.logql.operators import RangeOp, VectorOp


class TokenKind(Enum):
    """What a token is; the value is its name in messages."""

    END = "$end"
    BROKEN = "BROKEN"
    UNKNOWN = "UNKNOWN"
    IDENTIFIER = "IDENTIFIER"
    STRING = "STRING"
    NUMBER = "NUMBER"
    DURATION = "DURATION"
    BYTES = "BYTES"
    RANGE = "RANGE"
    FUNCTION_FLAG = "FUNCTION_FLAG"
    RANGE_OP = "RANGE_OP"
    VECTOR_OP = "VECTOR_OP"
    BYTES_CONV = "BYTES_CONV"
    DURATION_CONV = "DURATION_CONV"
    DURATION_SECONDS_CONV = "DURATION_SECONDS_CONV"

    OPEN_BRACE = "{"
    CLOSE_BRACE = "}"
    OPEN_PAREN = "("
    CLOSE_PAREN = ")"
    COMMA = ","
    DOT = "."
    EQ = "="
    NEQ = "!="
    RE = "=~"
    NRE = "!~"
    PIPE = "|"
    PIPE_EXACT = "|="
    PIPE_MATCH = "|~"
    PIPE_PATTERN = "|>"
    NOT_PATTERN = "!>"
    CMP_EQ = "=="
    GT = ">"
    GTE = ">="
    LT = "<"
    LTE = "<="
    ADD = "+"
    SUB = "-"
    MUL = "*"
    DIV = "/"
    MOD = "%"
    POW = "^"

    BY = "by"
    WITHOUT = "without"
    BOOL = "bool"
    OFFSET = "offset"
    ON = "on"
    IGNORING = "ignoring"
    GROUP_LEFT = "group_left"
    GROUP_RIGHT = "group_right"
    AND = "and"
    OR = "or"
    UNLESS = "unless"
    UNWRAP = "unwrap"
    JSON = "json"
    LOGFMT = "logfmt"
    REGEXP = "regexp"
    PATTERN = "pattern"
    UNPACK = "unpack"
    LINE_FORMAT = "line_format"
    LABEL_FORMAT = "label_format"
    DECOLORIZE = "decolorize"
    DROP = "drop"
    KEEP = "keep"
    VARIANTS = "variants"
    OF = "of"
    LABEL_REPLACE = "label_replace"
    VECTOR = "vector"
    IP = "ip"


@dataclass(slots=True)
class Token:
    """One word of a query, characters `start` to `end`.

    `text` is the name, the value of a string, or the number as written; `amount` the nanoseconds of a duration or
    range, or the bytes of a size. A BROKEN token has the error in `text`. Not frozen: a query makes many of them.
    """

    kind: TokenKind
    text: str
    start: int
    end: int
    amount: int = 0

    @property
    def display(self) -> str:
        """The token's name in messages."""
        if self.kind in (TokenKind.RANGE_OP, TokenKind.VECTOR_OP):
            return self.text.upper()
        return TokenKind.IDENTIFIER.value if self.kind is TokenKind.UNKNOWN else self.kind.value


_FIRST_OPERATOR, _FIRST_KEYWORD, _FIRST_CALL = TokenKind.OPEN_BRACE, TokenKind.BY, TokenKind.VECTOR
_KINDS = list(TokenKind)

OPERATORS = {kind.value: kind for kind in _KINDS[_KINDS.index(_FIRST_OPERATOR) : _KINDS.index(_FIRST_KEYWORD)]}
"""Punctuation by its text."""

KEYWORDS = {kind.value: kind for kind in _KINDS[_KINDS.index(_FIRST_KEYWORD) : _KINDS.index(_FIRST_CALL)]}
"""Words that can be nothing else, in lower case."""

CALLS = {
    **{op.value: TokenKind.RANGE_OP for op in RangeOp},
    TokenKind.VECTOR.value: TokenKind.VECTOR,
    TokenKind.IP.value: TokenKind.IP,
    "bytes": TokenKind.BYTES_CONV,
    "duration": TokenKind.DURATION_CONV,
    "duration_seconds": TokenKind.DURATION_SECONDS_CONV,
}
"""Words that are functions before `(`, and plain identifiers elsewhere, in lower case."""

AGGREGATIONS = {op.value: TokenKind.VECTOR_OP for op in VectorOp}
"""Words that are functions before `(`, and before `by (` or `without (`, in lower case."""
