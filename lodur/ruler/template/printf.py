"""Go's `printf` for the values of templates. Verbs and flags: https://pkg.go.dev/fmt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lodur.model.go_strings import quote
from lodur.ruler.template.values import Duration, Value, format_float, kind_of, printed

WIDTH_MAX = 1000
"""A width or precision beyond this is cut: nobody reads it, and it would be paid for in memory."""

_VERB = re.compile(r"%([-+# 0]*)(\*|[0-9]{0,9})(?:\.(\*|[0-9]{0,9}))?(.?)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Verb:
    flags: str
    width: int | None
    precision: int | None
    letter: str


def printf(form: str, arguments: Sequence[Value]) -> str:
    """The form with its verbs replaced; what does not fit is said in Go's way, within the text."""
    left = list(arguments)
    parts: list[str] = []
    end = 0
    for found in _VERB.finditer(form):
        parts.append(form[end : found.start()])
        end = found.end()
        verb = _Verb(found[1], _size(found[2], left), _size(found[3], left), found[4])
        if verb.letter == "%":
            parts.append("%")
        elif not verb.letter:
            parts.append("%!(NOVERB)")
        elif not left:
            parts.append(f"%!{verb.letter}(MISSING)")
        else:
            parts.append(_formatted(verb, left.pop(0)))
    parts.append(form[end:])
    if left:
        extra = ", ".join(f"{kind_of(value)}={printed(value)}" for value in left)
        parts.append(f"%!(EXTRA {extra})")
    return "".join(parts)


def _size(text: str | None, left: list[Value]) -> int | None:
    if text is None:
        return None
    if text == "*":
        size = left.pop(0) if left else 0
        return min(abs(size), WIDTH_MAX) if isinstance(size, int) else 0
    return min(int(text), WIDTH_MAX) if text else None


def _formatted(verb: _Verb, value: Value) -> str:
    text = _text(verb, value)
    if text is None:
        return f"%!{verb.letter}({kind_of(value)}={printed(value)})"
    if verb.width is None or len(text) >= verb.width:
        return text
    if "-" in verb.flags:
        return text.ljust(verb.width)
    if "0" in verb.flags and isinstance(value, int | float) and not isinstance(value, bool):
        sign = text[:1] if text[:1] in ("+", "-") else ""
        return sign + text[len(sign) :].rjust(verb.width - len(sign), "0")
    return text.rjust(verb.width)


def _text(verb: _Verb, value: Value) -> str | None:
    """The value without its padding; None where the verb is not for it."""
    if isinstance(value, Duration) and verb.letter in "dxXobcqU":
        value = value.ns
    match verb.letter, value:
        case "T", _:
            return kind_of(value)
        case "v", float():
            return _signed(verb, value, _float(verb, value, "g"))
        case "v", _:
            return _cut(verb, quote(value) if "#" in verb.flags and isinstance(value, str) else printed(value))
        case "t", bool():
            return printed(value)
        case _, bool():
            return None
        case "s", str() | Duration() | None:
            return _cut(verb, "%!s(<nil>)" if value is None else printed(value))
        case "q", str():
            return quote(value)
        case "x" | "X", str():
            digits = value.encode("utf-8", "surrogateescape").hex()
            return digits.upper() if verb.letter == "X" else digits
        case "s", float() | int():
            return None
        case "s", _:
            return printed(value)
        case _, int():
            return _integer(verb, value)
        case "e" | "E" | "f" | "F" | "g" | "G", float():
            return _signed(verb, value, _float(verb, value, verb.letter))
        case _:
            return None


def _cut(verb: _Verb, text: str) -> str:
    return text if verb.precision is None else text[: verb.precision]


def _integer(verb: _Verb, value: int) -> str | None:
    forms = {"d": "d", "x": "x", "X": "X", "o": "o", "b": "b"}
    if verb.letter in forms:
        prefix = {"x": "0x", "X": "0X", "o": "0", "b": "0b"}.get(verb.letter, "") if "#" in verb.flags else ""
        sign = "-" if value < 0 else ("+" if "+" in verb.flags else "")
        return f"{sign}{prefix}{abs(value):{forms[verb.letter]}}"
    if verb.letter in "cqU":
        is_rune = 0 <= value <= 0x10FFFF and not 0xD800 <= value <= 0xDFFF
        char = chr(value) if is_rune else "\ufffd"
        return {"c": char, "q": f"'{char}'", "U": f"U+{value:04X}"}[verb.letter]
    return None


def _float(verb: _Verb, value: float, letter: str) -> str:
    if value != value or value in (float("inf"), float("-inf")):
        return format_float(value)
    lower = letter.lower()
    if lower == "g" and verb.precision is None:
        text = format_float(value)
    elif lower == "e" and verb.precision is None:
        text = f"{value:.6e}"
    else:
        text = f"{value:.{6 if verb.precision is None else verb.precision}{lower}}"
    return text.upper() if letter.isupper() else text


def _signed(verb: _Verb, value: float, text: str) -> str:
    if value == value and not text.startswith(("-", "+")):
        return "+" + text if "+" in verb.flags else (" " + text if " " in verb.flags else text)
    return text
