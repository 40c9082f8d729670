"""Paths into a JSON document, as `| json name="a.b[0]"` writes them: `a.b`, `a["b c"]`, `[0].x`."""

from __future__ import annotations

import re

from lodur.model.go_strings import unquote

_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
    (?P<FIELD>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<STRING>"(?:[^"\\\n]|\\[^\n])*")
  | (?P<INDEX>[0-9]+)
  | (?P<DOT>\.)
  | (?P<LSB>\[)
  | (?P<RSB>\])
  | (?P<END>\Z)
    )""",
    re.VERBOSE,
)
INDEX_DIGITS_MAX = 9
"""Longest array position: no line holds an array of more than a billion members."""

STEPS_MAX = 64
"""Deepest place that is looked for: the kernels walk no further."""


def parse_json_path(text: str) -> tuple[str | int, ...]:
    """Object keys and array positions from the top; ValueError with the field's text if it is no path."""
    try:
        return _path(_tokens(text))
    except ValueError as error:
        raise ValueError(f"cannot parse expression [{text}]: {error}") from error


def _path(tokens: list[tuple[str, str]]) -> tuple[str | int, ...]:
    path: list[str | int] = []
    at = 0
    while tokens[at][0] != "END" or not path:
        if len(path) == STEPS_MAX:
            raise ValueError(f"more than {STEPS_MAX} steps")
        kind = tokens[at][0]
        if kind == "LSB":
            path.append(_bracket(tokens[at + 1 : at + 3]))
            at += 3
        elif kind == ("DOT" if path else "FIELD"):
            at += kind == "DOT"
            if tokens[at][0] != "FIELD":
                raise _unexpected(tokens[at][0], "FIELD")
            path.append(tokens[at][1])
            at += 1
        else:
            raise _unexpected(kind, *(() if path else ("FIELD", "LSB")))
    return tuple(path)


def _bracket(tokens: list[tuple[str, str]]) -> str | int:
    """What stands between brackets, of which the first is passed already."""
    kind, value = tokens[0]
    if kind not in ("STRING", "INDEX"):
        raise _unexpected(kind, "STRING", "INDEX")
    if tokens[1][0] != "RSB":
        raise _unexpected(tokens[1][0], "RSB")
    return int(value) if kind == "INDEX" else value


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    at = 0
    while not tokens or tokens[-1][0] != "END":
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise ValueError(f"unexpected char {text[at:].lstrip()[:1]}")
        kind, value = found.lastgroup, found.group(found.lastgroup)
        if kind == "INDEX" and len(value) > INDEX_DIGITS_MAX:
            raise ValueError(f"index {value} is too large")
        tokens.append((kind, unquote(value[1:-1]) if kind == "STRING" else value))
        at = found.end()
    return tokens


def _unexpected(kind: str, *expected: str) -> ValueError:
    message = f"syntax error: unexpected {'$end' if kind == 'END' else kind}"
    return ValueError(message + (", expecting " + " or ".join(expected) if expected else ""))
