"""Check the syntax of Go text/template, as `line_format` and `label_format` use it.

Only whether a template can be run, with Go's wording of what is wrong; running it is left to the executor.
The grammar is https://pkg.go.dev/text/template. Start at `check_template`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

PARENTHESES_MAX = 100
"""Deepest nesting of parentheses: far above what people write, and each level costs a few Python frames."""

_FUNCTION_NAMES = """
    and or not eq ne lt le gt ge len index slice print printf println html js urlquery call
    __line__ __timestamp__ lower upper title ToLower ToUpper
    trim trimAll trimPrefix trimSuffix Trim TrimLeft TrimRight TrimPrefix TrimSuffix TrimSpace
    replace Replace trunc substr repeat indent nindent alignLeft alignRight contains hasPrefix hasSuffix
    regexReplaceAll regexReplaceAllLiteral count urlencode urldecode b64enc b64dec bytes duration duration_seconds
    date toDate toDateInZone now unixEpoch unixEpochMillis unixEpochNanos unixToTime default fromJson
    int float64 add sub mul div mod max min addf subf mulf divf maxf minf ceil floor round
"""

FUNCTIONS = frozenset(_FUNCTION_NAMES.split())
"""What a template may call: Go's own functions, then those of LogQL."""

_KEYWORDS = frozenset(["if", "else", "end", "range", "with", "block", "define", "template", "break", "continue"])
_OPENING = frozenset(["if", "range", "with", "block", "define"])
_CONSTANTS = frozenset(["true", "false", "nil"])
_OPEN = re.compile(r"\{\{(?:-(?=[ \t\r\n]))?")
_COMMENT = re.compile(r"[ \t\r\n]*/\*")
_COMMENT_CLOSE = re.compile(r"(?:[ \t\r\n]+-)?\}\}")
_TOKEN = re.compile(
    r"""
    (?P<close>(?:[ \t\r\n]+-)?\}\})
  | (?P<space>[ \t\r\n]+)
  | (?P<string>"(?:[^"\\\n]|\\[^\n])*"|`[^`]*`)
  | (?P<constant>'(?:[^'\\\n]|\\[^\n])+')
  | (?P<number>[+-]?(?:0[xX][0-9a-fA-F_]+|[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
  | (?P<variable>\$\w*)
  | (?P<field>\.[^\W\d]\w*)
  | (?P<dot>\.)
  | (?P<word>[^\W\d]\w*)
  | (?P<punctuation>:=|[=,|()])
    """,
    re.VERBOSE,
)
_UNTERMINATED = {'"': "unterminated quoted string", "`": "unterminated raw quoted string"}


class TemplateSyntaxError(ValueError):
    """A template is wrong; the text is the one that Go gives."""


def check_template(text: str, name: str) -> None:
    """TemplateSyntaxError if `text` is no template; `name` is the one that messages call it by."""
    _Checker(text, name).check()


@dataclass(frozen=True, slots=True)
class _Word:
    kind: str
    text: str
    start: int


@dataclass(slots=True)
class _Open:
    """A control structure not yet closed, and how many variables were known before it."""

    keyword: str
    variables: int
    has_else: bool = False


@dataclass(slots=True)
class _Checker:
    text: str
    name: str
    at: int = 0
    words: list[_Word] = field(default_factory=list)
    word_at: int = 0
    variables: list[str] = field(default_factory=lambda: ["$"])
    open_controls: list[_Open] = field(default_factory=list)

    def check(self) -> None:
        while found := _OPEN.search(self.text, self.at):
            self.at = found.end()
            if comment := _COMMENT.match(self.text, self.at):
                self._comment(comment.end())
            else:
                self._read_words()
                self._action()
        if self.open_controls:
            raise self._error("unexpected EOF", len(self.text))

    def _comment(self, start: int) -> None:
        end = self.text.find("*/", start)
        if end < 0:
            raise self._error("unclosed comment", start)
        close = _COMMENT_CLOSE.match(self.text, end + 2)
        if close is None:
            raise self._error("comment ends before closing delimiter", end)
        self.at = close.end()

    def _read_words(self) -> None:
        """Cut one action, up to its closing braces, into words."""
        self.words, self.word_at = [], 0
        depth = 0
        while not self.words or self.words[-1].kind != "close":
            found = _TOKEN.match(self.text, self.at)
            if found is None:
                raise self._unreadable()
            kind, written = found.lastgroup or "", found.group()
            depth += {"(": 1, ")": -1}.get(written, 0)
            if depth < 0:
                raise self._error("unexpected right paren U+0029 ')'", self.at)
            if kind != "space":
                self.words.append(_Word(kind, written, self.at))
            self.at = found.end()
        if depth:
            raise self._error("unclosed left paren", self.at)

    def _unreadable(self) -> TemplateSyntaxError:
        char = self.text[self.at : self.at + 1]
        if not char:
            return self._error("unclosed action", self.at)
        if char in _UNTERMINATED:
            return self._error(_UNTERMINATED[char], self.at)
        if char == "'":
            return self._error("unterminated character constant", self.at)
        return self._error(f"unrecognized character in action: U+{ord(char):04X} '{char}'", self.at)

    def _action(self) -> None:
        word = self._peek()
        if word.kind != "word" or word.text not in _KEYWORDS:
            self._pipeline("command")
            return
        self._take()
        match word.text:
            case "end":
                self._end(word)
            case "else":
                self._else(word)
            case "break" | "continue":
                if all(control.keyword != "range" for control in self.open_controls):
                    raise self._error(f"{{{{{word.text}}}}} outside {{{{range}}}}", word.start)
                self._close(word.text)
            case "template" | "block" | "define":
                self._named(word)
            case _:
                self.open_controls.append(_Open(word.text, len(self.variables)))
                self._pipeline(word.text)

    def _end(self, word: _Word) -> None:
        if not self.open_controls:
            raise self._error("unexpected {{end}}", word.start)
        del self.variables[self.open_controls.pop().variables :]
        self._close("end")

    def _else(self, word: _Word) -> None:
        if not self.open_controls or self.open_controls[-1].has_else or self.open_controls[-1].keyword == "define":
            raise self._error("unexpected {{else}}", word.start)
        control = self.open_controls[-1]
        following = self._peek()
        if following.text in ("if", "with") and following.text == control.keyword:
            self._take()
            self._pipeline(following.text)
            return
        control.has_else = True
        self._close("else")

    def _named(self, word: _Word) -> None:
        name = self._take()
        if name.kind != "string":
            raise self._unexpected(name, f"{word.text} clause")
        if word.text in _OPENING:
            self.open_controls.append(_Open(word.text, len(self.variables)))
        if word.text == "define" or (word.text == "template" and self._peek().kind == "close"):
            self._close(f"{word.text} clause")
        else:
            self._pipeline(f"{word.text} clause")

    def _close(self, context: str) -> None:
        word = self._take()
        if word.kind != "close":
            raise self._unexpected(word, context)

    def _pipeline(self, context: str, depth: int = 0) -> None:
        """Read commands joined by `|`, up to the closing braces, or the parenthesis where `depth` says so."""
        start = self._peek().start
        if depth > PARENTHESES_MAX:
            raise self._error(f"parentheses are nested too deeply: at most {PARENTHESES_MAX} levels are read", start)
        self._declaration(context)
        closing = ")" if depth else None
        commands = 0
        while True:
            word = self._peek()
            if word.text == closing or (word.kind == "close" and not depth):
                self._take()
                break
            if word.kind in ("close", "punctuation") and word.text != "(":
                raise self._unexpected(word, context)
            commands += 1
            if commands > 1 and (word.kind in ("string", "constant", "number", "dot") or word.text in _CONSTANTS):
                raise self._error(f"non executable command in pipeline stage {commands}", word.start)
            self._command(depth)
        if not commands:
            raise self._error(f"missing value for {context}", start)

    def _declaration(self, context: str) -> None:
        names: list[str] = []
        for offset in (0, 2):
            word, following = self._peek(offset), self._peek(offset + 1)
            if word.kind != "variable":
                return
            names.append(word.text)
            if following.text in (":=", "="):
                self.word_at += offset + 2
                for name in names:
                    if following.text == ":=":
                        self.variables.append(name)
                    elif name not in self.variables:
                        raise self._error(f'undefined variable "{name}"', word.start)
                return
            if following.text != "," or context != "range":
                return

    def _command(self, depth: int) -> None:
        """Read operands up to `|`, which is taken, or to the end of the pipeline, which is left."""
        while True:
            self._operand(depth)
            word = self._peek()
            if word.text == "|":
                self._take()
                return
            if word.kind == "close" or word.text == ")":
                return

    def _operand(self, depth: int) -> None:
        word = self._take()
        if word.text == "(":
            self._pipeline("parenthesized pipeline", depth + 1)
        elif word.kind == "word" and word.text not in _CONSTANTS:
            if word.text in _KEYWORDS:
                raise self._error(f"unexpected <{word.text}> in operand", word.start)
            if word.text not in FUNCTIONS:
                raise self._error(f'function "{word.text}" not defined', word.start)
        elif word.kind == "variable" and word.text not in self.variables:
            raise self._error(f'undefined variable "{word.text}"', word.start)
        elif word.kind in ("punctuation", "close"):
            raise self._unexpected(word, "operand")
        while self._peek().kind == "field":
            self._take()

    def _peek(self, offset: int = 0) -> _Word:
        return self.words[min(self.word_at + offset, len(self.words) - 1)]

    def _take(self) -> _Word:
        word = self._peek()
        self.word_at += 1
        return word

    def _unexpected(self, word: _Word, context: str) -> TemplateSyntaxError:
        return self._error(f'unexpected "{word.text}" in {context}', word.start)

    def _error(self, reason: str, at: int) -> TemplateSyntaxError:
        return TemplateSyntaxError(f"template: {self.name}:{self.text.count(chr(10), 0, at) + 1}: {reason}")
