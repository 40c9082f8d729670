"""Put environment variables into configuration text, before it is read as YAML.

Only done where `-config.expand-env` asks for it. What is understood, and nothing else: `${VAR}`, `${VAR:-default}`,
`${VAR:=default}`, `${VAR:?message}`, `${VAR^^}`, `${VAR,,}`, `${#VAR}`, `${VAR:offset:length}`, `${VAR/old/new}`; `$$`
is a literal `$`, and a `$` before anything but `{` or `$` stays. Values are not expanded again. Start at `expand_env`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

NESTING_MAX = 16
"""Deepest `${A:-${B:-...}}`; nobody writes more than two, and the expansion recurses."""

EXPANDED_CHARS_MAX = 4 * 2**20
"""Longest result: replacing can multiply a text, and the file itself is bounded by a quarter of this."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DOLLAR = re.compile(r"\$(?=[{$])")
_SUBSTRING = re.compile(r":[ \t]*(-?[0-9]{1,9})(?::[ \t]*(-?[0-9]{1,9}))?\}")


class ExpansionError(Exception):
    """The text has a `${` that cannot be read; `line` counts from 1."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line
        self.problem = problem


def expand_env(text: str, environ: Mapping[str, str]) -> str:
    """The text with its variables replaced. Raises ExpansionError."""
    return _Expansion(text, environ).run()


class _Expansion:
    def __init__(self, text: str, environ: Mapping[str, str]) -> None:
        self._text = text
        self._environ = environ
        self._at = 0

    def run(self) -> str:
        parts: list[str] = []
        chars = 0
        while match := _DOLLAR.search(self._text, self._at):
            parts.append(self._text[self._at : match.start()])
            self._at = match.start()
            parts.append(self._dollar(0))
            chars += len(parts[-1])
            if chars > EXPANDED_CHARS_MAX:
                raise self._error(f"variables give more than {EXPANDED_CHARS_MAX} characters")
        parts.append(self._text[self._at :])
        return "".join(parts)

    def _error(self, problem: str) -> ExpansionError:
        return ExpansionError(self._text.count("\n", 0, self._at) + 1, problem)

    def _dollar(self, depth: int) -> str:
        """Read `$$` or `${...}` at the current place."""
        if self._text.startswith("$$", self._at):
            self._at += 2
            return "$"
        if depth >= NESTING_MAX:
            raise self._error(f"variables nested deeper than {NESTING_MAX} levels")
        self._at += 2
        if self._text.startswith("#", self._at):
            self._at += 1
            value = self._environ.get(self._name(), "")
            self._close()
            return str(len(value))
        value = self._environ.get(self._name(), "")
        return self._operator(value, depth)

    def _name(self) -> str:
        match = _NAME.match(self._text, self._at)
        if match is None:
            raise self._error("bad substitution: ${ must be followed by a variable's name")
        self._at = match.end()
        return match.group()

    def _close(self) -> None:
        if not self._text.startswith("}", self._at):
            raise self._error("missing closing brace")
        self._at += 1

    def _operator(self, value: str, depth: int) -> str:
        rest = self._text[self._at : self._at + 2]
        if rest in (":-", ":=", ":?"):
            self._at += 2
            other = self._argument("", depth)
            self._close()
            return value or other
        if rest in ("^^", ",,"):
            self._at += 2
            self._close()
            return value.upper() if rest == "^^" else value.lower()
        if match := _SUBSTRING.match(self._text, self._at):
            self._at = match.end()
            return _substring(value, match.group(1), match.group(2))
        if rest.startswith("/"):
            self._at += 1
            old = self._argument("/", depth)
            new = ""
            if self._text.startswith("/", self._at):
                self._at += 1
                new = self._argument("", depth)
            self._close()
            return value.replace(old, new, 1) if old else value
        self._close()
        return value

    def _argument(self, end: str, depth: int) -> str:
        """Read up to the closing brace, or up to `end` where that comes first."""
        parts: list[str] = []
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == "}" or char == end:
                return "".join(parts)
            if _DOLLAR.match(self._text, self._at):
                parts.append(self._dollar(depth + 1))
            else:
                parts.append(char)
                self._at += 1
        raise self._error("missing closing brace")


def _substring(value: str, offset_text: str, length_text: str | None) -> str:
    offset = int(offset_text)
    start = max(0, len(value) + offset) if offset < 0 else min(offset, len(value))
    if length_text is None:
        return value[start:]
    length = int(length_text)
    end = len(value) + length if length < 0 else start + length
    return value[start : max(start, end)]
