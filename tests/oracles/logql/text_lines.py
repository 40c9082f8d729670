"""The stages `logfmt`, `regexp`, `pattern` and `decolorize`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lodur.logql.pattern_expression import PatternCapture, PatternLiteral, PatternPart
from lodur.logql.stages.logfmt_parser import LogfmtParser
from tests.oracles.logql.json_lines import sanitise
from tests.oracles.logql.row import Row

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_RUN = re.compile(r'[^\x00-\x20="]*')
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "'": "'", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_COLOUR = re.compile(r"\x1b\[(?:[0-9]{1,4}(?:;[0-9]{0,4})*)?[0-9A-PRZcf-ntqry=><~]", re.ASCII)


def compile_regexp(regexp: str) -> re.Pattern[str]:
    """Of the expressions that generators write, which Python and RE2 read alike."""
    return re.compile(regexp, re.ASCII)


class _Defect(Exception):
    pass


def parse_logfmt(row: Row, stage: LogfmtParser) -> None:
    if row.is_satisfied:
        return
    for pair in _pairs(row.line):
        if isinstance(pair, _Defect):
            if not stage.strict:
                continue
            row.fail("LogfmtParserErr", f"logfmt syntax error at pos {pair}")
            break
        key, value = sanitise(pair[0]), pair[1]
        if not stage.extractions:
            if key and (value or stage.keep_empty):
                row.extract(key, value)
            continue
        served = [one.name for one in stage.extractions if one.key == key]
        for name in served or [one.name for one in stage.extractions if one.name == key][:1]:
            row.set_extraction(name, value)
    for extraction in stage.extractions:
        row.extract_missing(extraction.name)


def _pairs(line: str) -> Iterator[tuple[str, str] | _Defect]:
    """Pairs, and what is wrong between them; after a defect reading goes on behind the next blank."""
    at = 0
    while at < len(line):
        if line[at] <= " ":
            at += 1
            continue
        try:
            key, value, at = _pair_at(line, at)
            yield key, value
        except _Defect as defect:
            at = defect.args[1]
            yield _Defect(defect.args[0])
            while at < len(line) and line[at] > " ":
                at += 1


def _pair_at(line: str, at: int) -> tuple[str, str, int]:
    key, at = _run(line, at)
    sign = line[at : at + 1]
    if sign == '"' or (sign == "=" and not key):
        raise _unexpected(line, at)
    if sign != "=":
        return key, "", at
    at += 1
    if line[at : at + 1] == '"':
        found = _QUOTED.match(line, at)
        if not found:
            raise _Defect(f"{_place(line, len(line))} : unterminated quoted value", len(line))
        value = _unquote(found.group(1))
        if value is None:
            raise _Defect(f"{_place(line, found.end())} : invalid quoted value", found.end())
        return key, value, found.end()
    value, at = _run(line, at)
    if line[at : at + 1] in ("=", '"'):
        raise _unexpected(line, at)
    return key, value, at


def _run(line: str, at: int) -> tuple[str, int]:
    found = _RUN.match(line, at)
    assert found
    return found.group(), found.end()


def _place(line: str, at: int) -> int:
    """Counted in bytes, from one."""
    return len(line[:at].encode()) + 1


def _unexpected(line: str, at: int) -> _Defect:
    return _Defect(f"{_place(line, at)} : unexpected '{line[at]}'", at)


def _unquote(text: str) -> str | None:
    if "\\" not in text:
        return text
    out: list[str] = []
    at = 0
    while at < len(text):
        char = text[at]
        at += 1
        if char < " ":
            return None
        if char != "\\":
            out.append(char)
            continue
        kind = text[at : at + 1]
        at += 1
        if kind == "u" and re.fullmatch("[0-9a-fA-F]{4}", text[at : at + 4]):
            out.append(chr(int(text[at : at + 4], 16)))
            at += 4
        elif kind in _ESCAPES:
            out.append(_ESCAPES[kind])
        else:
            return None
    return "".join(out)


def parse_regexp(row: Row, regexp: str) -> None:
    if row.is_satisfied:
        return
    found = compile_regexp(regexp).search(row.line)
    if found:
        for name, value in found.groupdict().items():
            row.extract(name, value or "")


def parse_pattern(row: Row, parts: tuple[PatternPart, ...]) -> None:
    if not row.line or row.is_satisfied:
        return
    rest = row.line
    if isinstance(parts[0], PatternLiteral):
        if not rest.startswith(parts[0].text):
            return
        rest = rest.removeprefix(parts[0].text)
    captures = parts[isinstance(parts[0], PatternLiteral) :]
    for at in range(0, len(captures), 2):
        capture = captures[at]
        assert isinstance(capture, PatternCapture)
        literal = captures[at + 1] if at + 1 < len(captures) else None
        value, found, after = rest, "", ""
        if isinstance(literal, PatternLiteral):
            value, found, after = rest.partition(literal.text)
        if capture.name:
            row.extract(capture.name, value)
        if not found:
            return
        rest = after


def decolorize(row: Row) -> None:
    row.line = _COLOUR.sub("", row.line)
