"""Go's string literals: `quote` writes what strconv.Quote writes, `unquote` reads what the Go scanner reads.

Label sets, queries and error texts on the wire are in this form. Bytes that are not UTF-8 (written `\\xff`) are held
in Python strings as surrogate escapes, so that `text.encode("utf-8", "surrogateescape")` gives the bytes back.
"""

from __future__ import annotations

import re

_NAMED = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}
_ESCAPED = {written[1]: char for char, written in _NAMED.items()}
_PLAIN = re.compile(r'[^\\"\x00-\x1f\x7f-\U0010ffff]*')
_ESCAPE = re.compile(r'\\(?:([abfnrtv\\"])|([0-7]{3})|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8}))|\\')
_FIRST_SURROGATE, _LAST_SURROGATE, _LAST_RUNE = 0xD800, 0xDFFF, 0x10FFFF


def quote(text: str) -> str:
    """`text` as a double-quoted Go literal."""
    if _PLAIN.fullmatch(text):
        return f'"{text}"'
    return f'"{"".join(map(_quoted_char, text))}"'


def unquote(body: str) -> str:
    """The value of the text between the double quotes of a Go literal; ValueError names a wrong escape."""
    if "\\" not in body:
        return body
    parts: list[bytes] = []
    end = 0
    for found in _ESCAPE.finditer(body):
        parts.append(body[end : found.start()].encode("utf-8", "surrogateescape"))
        parts.append(_escape_value(found))
        end = found.end()
    parts.append(body[end:].encode("utf-8", "surrogateescape"))
    return b"".join(parts).decode("utf-8", "surrogateescape")


def _quoted_char(char: str) -> str:
    if char in _NAMED:
        return _NAMED[char]
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _escape_value(found: re.Match[str]) -> bytes:
    named, octal, byte, short, long = found.groups()
    if named is not None:
        return _ESCAPED[named].encode()
    if byte is not None:
        return bytes([int(byte, 16)])
    if octal is not None and int(octal, 8) <= 0xFF:
        return bytes([int(octal, 8)])
    if short is not None or long is not None:
        code = int(short or long, 16)
        if code <= _LAST_RUNE and not _FIRST_SURROGATE <= code <= _LAST_SURROGATE:
            return chr(code).encode()
    raise ValueError("invalid char escape")
