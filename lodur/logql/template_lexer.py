"""Cut a Go text/template into words, as Go's lexer does.

A defect becomes the last word, so that the parser meets it where Go's does. Start at `lex_template`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from lodur.model.go_strings import quote


class WordKind(StrEnum):
    """Kinds of words; keywords are their own text."""

    ERROR = "error"
    EOF = "EOF"
    TEXT = "text"
    OPEN = "{{"
    CLOSE = "}}"
    SPACE = "space"
    CHAR = "char"
    CHARACTER = "character"
    STRING = "string"
    NUMBER = "number"
    COMPLEX = "complex"
    BOOL = "bool"
    FIELD = "field"
    VARIABLE = "variable"
    IDENTIFIER = "identifier"
    ASSIGN = "="
    DECLARE = ":="
    PIPE = "|"
    LEFT_PAREN = "("
    RIGHT_PAREN = ")"
    DOT = "."
    NIL = "nil"
    BLOCK = "block"
    BREAK = "break"
    CONTINUE = "continue"
    DEFINE = "define"
    ELSE = "else"
    END = "end"
    IF = "if"
    RANGE = "range"
    TEMPLATE = "template"
    WITH = "with"


_KEYWORDS = frozenset(list(WordKind)[list(WordKind).index(WordKind.DOT) :])
_WORDS = {kind.value: kind for kind in _KEYWORDS} | {"true": WordKind.BOOL, "false": WordKind.BOOL}
_SIGNS = {
    kind.value: kind
    for kind in (WordKind.ASSIGN, WordKind.DECLARE, WordKind.PIPE, WordKind.LEFT_PAREN, WordKind.RIGHT_PAREN)
}
_BLANKS = " \t\r\n"
_CLOSE = re.compile(r"[ \t\r\n]-\}\}[ \t\r\n]*|\}\}")
_SPACE = re.compile(r"[ \t\r\n]+")
_QUOTED = {
    '"': (re.compile(r'"(?:[^"\\\n]|\\[^\n])*"'), "unterminated quoted string", WordKind.STRING),
    "'": (re.compile(r"'(?:[^'\\\n]|\\[^\n])*'"), "unterminated character constant", WordKind.CHARACTER),
    "`": (re.compile(r"`[^`]*`"), "unterminated raw quoted string", WordKind.STRING),
}
_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?|0[oO][0-7_]*(?:\.[0-7_]*)?"
    r"|0[bB][01_]*(?:\.[01_]*)?|[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)i?"
)
_NAME = re.compile(r"\w*")
_TERMINATORS = frozenset(" \t\r\n.,|:)(")


@dataclass(frozen=True, slots=True)
class Word:
    """A word, where it begins and in which line; the text of an error is its message."""

    kind: WordKind
    text: str
    line: int

    def __str__(self) -> str:
        """As Go's messages show it."""
        if self.kind in (WordKind.EOF, WordKind.ERROR):
            return self.text
        if self.kind in _KEYWORDS:
            return f"<{self.text}>"
        return quote(self.text[:10]) + "..." if len(self.text.encode()) > 10 else quote(self.text)


class _Defect(Exception):
    """The text cannot be cut further; `start` is where the word begins."""

    def __init__(self, message: str, start: int) -> None:
        super().__init__(message)
        self.start = start


def lex_template(text: str) -> list[Word]:
    """All words; the last is the end or an error."""
    words: list[Word] = []
    line, counted = 1, 0
    try:
        for kind, start, end in _cut(text):
            line, counted = line + text.count("\n", counted, start), start
            words.append(Word(kind, text[start:end] or "EOF", line))
    except _Defect as defect:
        line += text.count("\n", counted, defect.start)
        words.append(Word(WordKind.ERROR, str(defect), line))
    return words


def _cut(text: str) -> Iterator[tuple[WordKind, int, int]]:
    at = 0
    while (start := text.find("{{", at)) >= 0:
        trims = text[start + 2 : start + 3] == "-" and text[start + 3 : start + 4] in tuple(_BLANKS)
        end = at + len(text[at:start].rstrip(_BLANKS)) if trims else start
        if end > at:
            yield WordKind.TEXT, at, end
        at = start + (4 if trims else 2)
        if text.startswith("/*", at):
            at = _after_comment(text, at + 2)
            continue
        yield WordKind.OPEN, start, start + 2
        for word in _action(text, at):
            yield word
            at = word[2]
    if at < len(text):
        yield WordKind.TEXT, at, len(text)
    yield WordKind.EOF, len(text), len(text)


def _action(text: str, at: int) -> Iterator[tuple[WordKind, int, int]]:
    """The words up to the closing braces and with them."""
    depth = 0
    kind = WordKind.OPEN
    while kind is not WordKind.CLOSE:
        kind, end = _action_word(text, at)
        depth += {WordKind.LEFT_PAREN: 1, WordKind.RIGHT_PAREN: -1}.get(kind, 0)
        if depth < 0:
            raise _Defect("unexpected right paren", at)
        if kind is WordKind.CLOSE and depth:
            raise _Defect("unclosed left paren", at)
        yield kind, at, end
        at = end


def _after_comment(text: str, start: int) -> int:
    end = text.find("*/", start)
    if end < 0:
        raise _Defect("unclosed comment", start - 2)
    close = _CLOSE.match(text, end + 2)
    if close is None:
        raise _Defect("comment ends before closing delimiter", start - 2)
    return close.end()


def _action_word(text: str, at: int) -> tuple[WordKind, int]:
    """Kind and end of the word that begins here."""
    if close := _CLOSE.match(text, at):
        return WordKind.CLOSE, close.end()
    char = text[at : at + 1]
    if not char:
        raise _Defect("unclosed action", at)
    if space := _SPACE.match(text, at):
        # The last blank may belong to a closing delimiter that trims.
        end = space.end() - 1 if _CLOSE.match(text, space.end() - 1) and text[space.end()] == "-" else space.end()
        return WordKind.SPACE, end
    if char == ":" and text[at + 1 : at + 2] != "=":
        raise _Defect("expected :=", at)
    sign = text[at : at + 2] if char == ":" else char
    if sign in _SIGNS:
        return _SIGNS[sign], at + len(sign)
    if char in _QUOTED:
        pattern, problem, kind = _QUOTED[char]
        quoted = pattern.match(text, at)
        if quoted is None:
            raise _Defect(problem, at)
        return kind, quoted.end()
    following = text[at + 1 : at + 2]
    if char == "$" or (char == "." and following and not ("0" <= following <= "9")):
        return _name(text, at)
    if char in "+-." or "0" <= char <= "9":
        return _number(text, at)
    if char == "_" or char.isalnum():
        end = _name_end(text, at, at)
        return _WORDS.get(text[at:end], WordKind.IDENTIFIER), end
    if " " <= char <= "~":
        return WordKind.CHAR, at + 1
    raise _Defect(f"unrecognized character in action: {_unicode(char)}", at)


def _name(text: str, at: int) -> tuple[WordKind, int]:
    kind = WordKind.VARIABLE if text[at] == "$" else WordKind.FIELD
    if _at_terminator(text, at + 1):
        return (WordKind.DOT if kind is WordKind.FIELD else kind), at + 1
    return kind, _name_end(text, at, at + 1)


def _name_end(text: str, start: int, at: int) -> int:
    found = _NAME.match(text, at)
    end = at if found is None else found.end()
    if not _at_terminator(text, end):
        raise _Defect(f"bad character {_unicode(text[end])}", start)
    return end


def _at_terminator(text: str, at: int) -> bool:
    return at >= len(text) or text[at] in _TERMINATORS or text.startswith("}}", at)


def _number(text: str, at: int) -> tuple[WordKind, int]:
    end = _part_of_number(text, at, at)
    if text[end : end + 1] not in ("+", "-"):
        return WordKind.NUMBER, end
    end = _part_of_number(text, at, end)
    if text[end - 1] != "i":
        raise _Defect(f"bad number syntax: {quote(text[at:end])}", at)
    return WordKind.COMPLEX, end


def _part_of_number(text: str, start: int, at: int) -> int:
    found = _NUMBER.match(text, at)
    end = at if found is None else found.end()
    following = text[end : end + 1]
    if following == "_" or following.isalnum():
        raise _Defect(f"bad number syntax: {quote(text[start : end + 1])}", start)
    return end


def _unicode(char: str) -> str:
    return f"U+{ord(char):04X} '{char}'" if char.isprintable() else f"U+{ord(char):04X}"
