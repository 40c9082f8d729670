"""Whether a number or character in a Go template can be read, with Go's wording of what is wrong."""

from __future__ import annotations

import re

from lodur.logql.template_lexer import Word, WordKind
from lodur.model.go_strings import quote

_INTEGER = re.compile(r"[+-]?(?:0[xX](?:_?[0-9a-fA-F])+|0[oO]?(?:_?[0-7])+|0[bB](?:_?[01])+|0|[1-9](?:_?[0-9])*)")
_DIGITS = r"[0-9](?:_?[0-9])*"
_DECIMAL = re.compile(rf"[+-]?(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?")
_HEXADECIMAL = re.compile(r"[+-]?0[xX](?:_?[0-9a-fA-F])*\.?(?:[0-9a-fA-F](?:_?[0-9a-fA-F])*)?[pP][+-]?[0-9]+")
_ESCAPED = r"\\(?:[abfnrtv\\']|x[0-9a-fA-F]{2}|[0-3][0-7]{2}|u[0-9a-fA-F]{4}|U00[01][0-9a-fA-F]{5})"
_CHARACTER = re.compile(rf"'(?:[^\\]|{_ESCAPED})")
_INTEGER_END = 1 << 64
_INTEGER_CHARS_MAX = 100
"""Longer integers are beyond 64 bits, unless zeros or underscores fill them up."""
_POINTS = frozenset(".eEpP")


def number_problem(word: Word) -> str | None:
    """What Go says of a number, complex number or character; None if it can be read."""
    text = word.text
    if word.kind is WordKind.CHARACTER:
        first = _CHARACTER.match(text)
        if first is None or text.startswith("''"):
            return "invalid syntax"
        return None if text[first.end() :] == "'" else f"malformed character constant: {text}"
    illegal = f"illegal number syntax: {quote(text)}"
    if word.kind is WordKind.COMPLEX:
        split = max(at for at in range(1, len(text)) if text[at] in "+-" and text[at - 1] not in "eEpP")
        parts = text[:split], text[split:-1]
        return None if all(map(_is_float, parts)) else illegal
    if text.endswith("i") and _is_float(text[:-1]):
        return None
    if len(text) <= _INTEGER_CHARS_MAX and _INTEGER.fullmatch(text) and _value(text) < _INTEGER_END:
        return None
    if not _is_float(text):
        return illegal
    return None if _POINTS & set(text) else f"integer overflow: {quote(text)}"


def _is_float(text: str) -> bool:
    return bool(_DECIMAL.fullmatch(text) or _HEXADECIMAL.fullmatch(text))


def _value(text: str) -> int:
    digits = text.lstrip("+-").replace("_", "").lower()
    if digits[:1] == "0" and digits[1:].isdigit():
        digits = f"0o{digits[1:]}"
    return int(digits, 0)
