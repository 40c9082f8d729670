"""Check RE2 syntax and tell what the rest of the parser asks of a regular expression.

One pass from left to right with a stack of open groups; nothing is matched here. Errors have the wording of Go's
regexp package, which clients show. The grammar is https://github.com/google/re2/wiki/Syntax. Start at `parse_regexp`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

REPEAT_MAX = 1000
"""Largest repetition, also as the product of nested ones: RE2's own bound on the size of a program."""

GROUP_DEPTH_MAX = 1000
"""Deepest nesting of groups, RE2's own bound."""

_LITERALS = re.compile(r"[^\\.^$|()\[\]{}*+?]+")
_REPEAT = re.compile(r"\{([0-9]{1,9})(?:(,)([0-9]{1,9})?)?\}")
_GROUP_NAME = re.compile(r"[A-Za-z0-9_]+")
_POSIX_CLASS = re.compile(r"\[:\^?([^:\]]*):\]")
_POSIX_NAMES = {
    *("alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph"),
    *("lower", "print", "punct", "space", "upper", "word", "xdigit"),
}
_PROPERTY = re.compile(r"\\[pP](?:\{\^?([^}]*)\}|\^?(.))", re.DOTALL)
_PROPERTY_NAME = re.compile(r"Any|[CLMNPSZ][a-z]?|[A-Z][a-z]+(?:_[A-Z]?[a-z]+)*")
_HEX = re.compile(r"\\x(?:\{([0-9A-Fa-f]{1,8})\}|([0-9A-Fa-f]{2}))")
_OCTAL = re.compile(r"\\(?:0[0-7]{0,2}|[1-7][0-7]{1,2})")
_NAMED_ESCAPES = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_LAST_RUNE = 0x10FFFF


class RegexpSyntaxError(ValueError):
    """A regular expression is wrong; the text is the one that Go gives."""

    def __init__(self, reason: str, part: str) -> None:
        super().__init__(f"error parsing regexp: {reason}: `{part}`")


@dataclass(frozen=True, slots=True)
class Regexp:
    """What is known of a well-formed expression: its named groups in order (a name may come twice), and whether
    the whole empty text matches it."""

    names: tuple[str, ...]
    matches_empty: bool


def parse_regexp(text: str) -> Regexp:
    """Read `text`; RegexpSyntaxError if it is not RE2."""
    return _Parser(text).parse()


@dataclass(slots=True)
class _Group:
    """An open group: whether its finished alternatives, what precedes the last atom, and that atom match empty;
    `repeat` and `last_repeat` are the largest products of nested repetitions inside."""

    any_empty: bool = False
    before_empty: bool = True
    last_empty: bool = True
    has_atom: bool = False
    repeat: int = 1
    last_repeat: int = 1

    def add(self, *, empty: bool, repeat: int = 1) -> None:
        self.before_empty = self.before_empty and self.last_empty
        self.last_empty = empty
        self.has_atom = True
        self.last_repeat = repeat
        self.repeat = max(self.repeat, repeat)

    def alternative(self) -> None:
        self.any_empty = self.matches_empty()
        self.before_empty, self.last_empty, self.has_atom = True, True, False

    def matches_empty(self) -> bool:
        return self.any_empty or (self.before_empty and self.last_empty)


@dataclass(slots=True)
class _Parser:
    text: str
    at: int = 0
    names: list[str] = field(default_factory=list)
    open_groups: list[_Group] = field(default_factory=lambda: [_Group()])
    repetition_start: int | None = None

    def parse(self) -> Regexp:
        while self.at < len(self.text):
            if literals := _LITERALS.match(self.text, self.at):
                self._literals(literals.end())
            else:
                self._special(self.text[self.at])
        if len(self.open_groups) > 1:
            raise RegexpSyntaxError("missing closing )", self.text)
        return Regexp(tuple(self.names), self.open_groups[0].matches_empty())

    def _literals(self, end: int) -> None:
        if end - self.at > 1:
            self.open_groups[-1].add(empty=False)
        self.open_groups[-1].add(empty=False)
        self.at, self.repetition_start = end, None

    def _special(self, char: str) -> None:
        if char in "*+?" or (char == "{" and _REPEAT.match(self.text, self.at)):
            self._repeat(char)
            return
        self.repetition_start = None
        match char:
            case "(":
                self._open()
            case ")":
                self._close()
            case "|":
                self.open_groups[-1].alternative()
                self.at += 1
            case "[":
                self._class()
            case "\\":
                self._escape()
            case _:
                self.open_groups[-1].add(empty=char in "^$")
                self.at += 1

    def _repeat(self, char: str) -> None:
        start, group = self.at, self.open_groups[-1]
        least, most = (0 if char in "*?" else 1), (1 if char == "?" else -1)
        self.at += 1
        if char == "{" and (found := _REPEAT.match(self.text, start)):
            self.at = found.end()
            least = int(found.group(1))
            most = int(found.group(3)) if found.group(3) else (-1 if found.group(2) else least)
        if self.text.startswith("?", self.at):
            self.at += 1
        written = self.text[start : self.at]
        if max(least, most) > REPEAT_MAX or 0 <= most < least:
            raise RegexpSyntaxError("invalid repeat count", written.rstrip("?"))
        if self.repetition_start is not None:
            raise RegexpSyntaxError("invalid nested repetition operator", self.text[self.repetition_start : self.at])
        if not group.has_atom:
            raise RegexpSyntaxError("missing argument to repetition operator", written)
        if char == "{":
            group.last_repeat *= max(least, most, 1)
            group.repeat = max(group.repeat, group.last_repeat)
            if group.last_repeat > REPEAT_MAX:
                raise RegexpSyntaxError("invalid repeat count", written)
        group.last_empty = group.last_empty or least == 0
        self.repetition_start = start

    def _open(self) -> None:
        start = self.at
        if self.text.startswith(("(?P<", "(?<"), start):
            self._open_named(start)
        elif self.text.startswith("(?", start):
            if not self._flags_open_group(start):
                return
        else:
            self.at += 1
        self.open_groups.append(_Group())
        if len(self.open_groups) > GROUP_DEPTH_MAX:
            raise RegexpSyntaxError("expression nests too deeply", self.text)

    def _open_named(self, start: int) -> None:
        name_start = self.text.index("<", start) + 1
        name_end = self.text.find(">", name_start)
        if name_end < 0:
            raise RegexpSyntaxError("invalid named capture", self.text[start:])
        name = self.text[name_start:name_end]
        if not _GROUP_NAME.fullmatch(name):
            raise RegexpSyntaxError("invalid named capture", self.text[start : name_end + 1])
        self.names.append(name)
        self.at = name_end + 1

    def _flags_open_group(self, start: int) -> bool:
        """Read `(?i)` or `(?i:`; True for the second, which opens a group."""
        found = re.compile(r"\(\?(?:[imsU]*|[imsU]*-[imsU]+)([:)])").match(self.text, start)
        if found is None:
            bad = re.compile(r"\(\?[imsU]*(?:-[imsU]*)?.?", re.DOTALL).match(self.text, start)
            raise RegexpSyntaxError("invalid or unsupported Perl syntax", bad.group() if bad else self.text[start:])
        self.at = found.end()
        return found.group(1) == ":"

    def _close(self) -> None:
        if len(self.open_groups) == 1:
            raise RegexpSyntaxError("unexpected )", self.text)
        inner = self.open_groups.pop()
        self.open_groups[-1].add(empty=inner.matches_empty(), repeat=inner.repeat)
        self.at += 1

    def _escape(self) -> None:
        following = self.text[self.at + 1 : self.at + 2]
        if following == "Q":
            end = self.text.find("\\E", self.at)
            quoted_end = len(self.text) if end < 0 else end
            for _ in range(min(2, quoted_end - self.at - 2)):
                self.open_groups[-1].add(empty=False)
            self.at = len(self.text) if end < 0 else end + 2
        elif following and following in "AbBz":
            self.open_groups[-1].add(empty=following != "b")
            self.at += 2
        else:
            self._class_escape()
            self.open_groups[-1].add(empty=False)

    def _class_escape(self) -> int | None:
        """Pass over an escape that stands for characters; its code if it is a single one."""
        following = self.text[self.at + 1 : self.at + 2]
        if following and following in "dDsSwW":
            self.at += 2
            return None
        if following and following in "pP":
            self._property()
            return None
        return self._escaped_char()

    def _property(self) -> None:
        found = _PROPERTY.match(self.text, self.at)
        if found is None:
            raise RegexpSyntaxError("invalid character class range", self.text[self.at :])
        if not _PROPERTY_NAME.fullmatch(found.group(1) or found.group(2) or ""):
            raise RegexpSyntaxError("invalid character class range", found.group())
        self.at = found.end()

    def _escaped_char(self) -> int:
        start, char = self.at, self.text[self.at + 1 : self.at + 2]
        if not char:
            raise RegexpSyntaxError("trailing backslash at end of expression", "")
        if found := _HEX.match(self.text, start):
            code = int(found.group(1) or found.group(2), 16)
            if code <= _LAST_RUNE:
                self.at = found.end()
                return code
        elif found := _OCTAL.match(self.text, start):
            self.at = found.end()
            return int(found.group()[1:], 8)
        elif char in _NAMED_ESCAPES or (char.isascii() and not char.isalnum()):
            self.at += 2
            return _NAMED_ESCAPES.get(char, ord(char))
        raise RegexpSyntaxError("invalid escape sequence", self.text[start : start + 2])

    def _class(self) -> None:
        start = self.at
        self.at += 2 if self.text.startswith("[^", start) else 1
        first = True
        while first or not self.text.startswith("]", self.at):
            first = False
            if found := _POSIX_CLASS.match(self.text, self.at):
                if found.group(1) not in _POSIX_NAMES:
                    raise RegexpSyntaxError("invalid character class range", found.group())
                self.at = found.end()
                continue
            self._class_range(start)
        self.at += 1
        self.open_groups[-1].add(empty=False)

    def _class_range(self, class_start: int) -> None:
        range_start = self.at
        low = self._class_char(class_start)
        if low is None or not self.text.startswith("-", self.at) or self.text[self.at + 1 : self.at + 2] in ("]", ""):
            return
        self.at += 1
        high = self._class_char(class_start)
        if high is None or high < low:
            raise RegexpSyntaxError("invalid character class range", self.text[range_start : self.at])

    def _class_char(self, class_start: int) -> int | None:
        """One member of a class: its code, or None for an escape that stands for many."""
        if self.at >= len(self.text):
            raise RegexpSyntaxError("missing closing ]", self.text[class_start:])
        if self.text[self.at] == "\\":
            return self._class_escape()
        self.at += 1
        return ord(self.text[self.at - 1])
