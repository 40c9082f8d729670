"""The stages `json` and `unpack`: values are delimited, not validated, and read up to the first defect."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from lodur.logql.stages.json_parser import JsonExtraction
from tests.oracles.logql.row import Row

_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_TOKEN = re.compile(r"[^ \t\n\r,}\]]*")

_MALFORMED = "Malformed JSON error"
_NO_OBJECT = "Value looks like object, but can't find closing '}' symbol"
_NO_ARRAY = "Value is array, but can't find closing ']' symbol"
_NO_STRING = "Value is string, but can't find closing '\"' symbol"
_BAD_ESCAPE = "Encountered an invalid escape sequence in a string"
_UNKNOWN = "Unknown value type"
_NOT_PACKED = "expecting json object(6), but it is not"
_JSON_ERROR = "JSONParserErr"


class Defect(Exception):
    """Why a text cannot be read on."""


@dataclass(frozen=True, slots=True)
class Value:
    """A delimited value: `kind` is one of `"`, `{`, `[`, `n` (null) and `0` (number or truth); `end` lies behind it."""

    kind: str
    text: str
    end: int

    def as_label(self) -> str:
        if self.kind == '"':
            return unescape(self.text) or ""
        return "" if self.kind == "n" else self.text


def sanitise(key: str) -> str:
    """A key as a label name."""
    name = _clean(key)
    return f"_{name}" if name[:1].isdigit() else name


def _clean(key: str) -> str:
    return "".join(char if char.isascii() and (char.isalnum() or char == "_") else "_" for char in key.strip())


def unescape(raw: str) -> str | None:
    """A string without its escapes; None if one is wrong, half of a surrogate pair too."""
    try:
        text = str(json.loads(f'"{raw}"', strict=False))
        text.encode()
    except ValueError:
        return None
    return text


def skip_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\n\r":
        at += 1
    return at


def value_at(text: str, at: int) -> Value:
    """The value at or after `at`; raises Defect."""
    at = skip_blanks(text, at)
    if at == len(text):
        raise Defect(_MALFORMED)
    first = text[at]
    if first == '"':
        found = _STRING.match(text, at)
        if not found:
            raise Defect(_NO_STRING)
        return Value('"', found.group(1), found.end())
    if first in "{[":
        end = _block_end(text, at, first, "}" if first == "{" else "]")
        if end is None:
            raise Defect(_NO_OBJECT if first == "{" else _NO_ARRAY)
        return Value(first, text[at:end], end)
    found = _TOKEN.match(text, at)
    assert found
    token = found.group()
    if token in ("true", "false") or first.isdigit() or first == "-":
        return Value("0", token, found.end())
    if token == "null":
        return Value("n", token, found.end())
    raise Defect(_UNKNOWN)


def _block_end(text: str, at: int, opening: str, closing: str) -> int | None:
    depth = 0
    while at < len(text):
        if text[at] == '"':
            found = _STRING.match(text, at)
            if not found:
                return None
            at = found.end()
            continue
        depth += (text[at] == opening) - (text[at] == closing)
        at += 1
        if depth == 0:
            return at
    return None


def members(text: str) -> list[tuple[str, Value] | Defect]:
    """The members of an object in order, up to its end or its first defect, which is then the last item."""
    found: list[tuple[str, Value] | Defect] = []
    try:
        at = skip_blanks(text, 0)
        if text[at : at + 1] != "{":
            raise Defect(_NO_OBJECT)
        at = skip_blanks(text, at + 1)
        if at == len(text):
            raise Defect(_MALFORMED)
        while text[at] != "}":
            key, at = _key_at(text, at)
            value = value_at(text, at)
            if key is None:
                raise Defect(_BAD_ESCAPE)
            found.append((key, value))
            at = skip_blanks(text, value.end)
            if at == len(text):
                raise Defect(_NO_ARRAY)
            if text[at] == ",":
                at = skip_blanks(text, at + 1)
                if at == len(text):
                    raise Defect(_NO_ARRAY)
            elif text[at] != "}":
                raise Defect(_NO_OBJECT)
    except Defect as defect:
        found.append(defect)
    return found


def _key_at(text: str, at: int) -> tuple[str | None, int]:
    """A key and the place behind its colon; None for a key with a wrong escape."""
    if text[at] != '"':
        raise Defect(_NO_OBJECT)
    found = _STRING.match(text, at)
    if not found:
        raise Defect(_MALFORMED)
    colon = skip_blanks(text, found.end())
    if text[colon : colon + 1] != ":":
        raise Defect(_MALFORMED)
    return unescape(found.group(1)), colon + 1


def parse_json(row: Row) -> None:
    """`| json`."""
    if row.is_satisfied:
        return
    try:
        _flatten(row, row.line, "")
    except Defect as defect:
        row.fail(_JSON_ERROR, str(defect))


def _flatten(row: Row, text: str, prefix: str) -> None:
    for member in members(text):
        if isinstance(member, Defect):
            raise member
        key, value = member
        name = prefix + _clean(key) if prefix else sanitise(key)
        if value.kind == "{":
            inside = f"{name}_" if name else ""
            if row.needs is None or row.needs.wants_prefix(inside):
                _flatten(row, value.text, inside)
        elif value.kind in '"0' and name:
            row.extract(name, value.as_label())


def parse_json_paths(row: Row, extractions: tuple[JsonExtraction, ...]) -> None:
    """`| json name="path", ...`."""
    if not row.line:
        return
    if row.line[0] not in '{["':
        row.fail(_JSON_ERROR)
        return
    for extraction in extractions:
        if row.is_satisfied:
            return
        if not row.wants_key(extraction.name):
            continue
        try:
            value = _find(row.line, extraction.path)
        except Defect as defect:
            row.fail(_JSON_ERROR, str(defect))
            value = None
        if value is None:
            row.extract_missing(extraction.name)
        else:
            row.set_extraction(extraction.name, value.as_label())


def _find(text: str, path: tuple[str | int, ...]) -> Value | None:
    """The value at the end of a path; whatever does not stop the way there is overlooked."""
    at: int | None = 0
    for step in path:
        at = skip_blanks(text, at or 0)
        try:
            if isinstance(step, str):
                at = _field(text, at + 1, step) if text[at : at + 1] == "{" else None
            else:
                at = _element(text, at + 1, step) if text[at : at + 1] == "[" else None
        except Defect:
            at = None
        if at is None:
            return None
    return value_at(text, at or 0)


def _field(text: str, at: int, wanted: str) -> int | None:
    while True:
        at = skip_blanks(text, at)
        if text[at : at + 1] == ",":
            at += 1
        elif text[at : at + 1] == '"':
            key, at = _key_at(text, at)
            if key == wanted:
                return at
            at = value_at(text, at).end
        else:
            return None


def _element(text: str, at: int, index: int) -> int | None:
    for position in range(index + 1):
        at = skip_blanks(text, at)
        if position > 0:
            if text[at : at + 1] != ",":
                return None
            at = skip_blanks(text, at + 1)
        if text[at : at + 1] in ("]", ""):
            return None
        if position < index:
            at = value_at(text, at).end
    return at


def unpack(row: Row) -> None:
    """`| unpack`: only of lines that have their line packed inside."""
    if not row.line:
        return
    if row.line[0] != "{":
        row.fail(_JSON_ERROR, _NOT_PACKED)
        return
    found = members(row.line)
    if isinstance(found[-1:][0] if found else None, Defect):
        row.fail(_JSON_ERROR, str(found[-1]))
        return
    texts = [(one[0], one[1].as_label()) for one in found if not isinstance(one, Defect) and one[1].kind == '"']
    entries = [value for key, value in texts if key == "_entry"]
    if not entries:
        return
    row.line = entries[-1]
    for key, value in texts:
        if key != "_entry" and sanitise(key):
            row.extract(sanitise(key), value)
