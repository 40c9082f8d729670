"""Find files by the patterns that `__path__` holds.

`*` and `?` stay within one path segment, `[a-z]` and `[^a]` are classes, `{a,b}` are alternatives, `\\` takes the next
character as it is. `**` stands for any number of directories, but only as a whole segment (`/var/log/**/*.gz`);
inside a segment it means `*`. Dot files match. Symbolic links to directories are not followed by `**`.
Start at `Glob`.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from lodur.model.errors import InvalidRequest

ALTERNATIVES_MAX = 1024
"""Patterns that `{a,b}` may unfold to; nested braces multiply."""

DEPTH_MAX = 128
"""Directories that `**` descends; deeper trees are loops made by bind mounts."""

_MAGIC = re.compile(r"[*?\[\\]")


@dataclass(frozen=True, slots=True)
class Glob:
    """A pattern made ready: finds the files that match it, and says whether a path does."""

    pattern: str
    _segments: tuple[tuple[str, ...], ...]
    _whole: re.Pattern[str]

    @staticmethod
    def compile(pattern: str) -> Glob:
        """Make `pattern` absolute and ready. Raises InvalidRequest for a class or alternative that is not closed."""
        absolute = pattern if pattern.startswith("/") else os.path.join(os.getcwd(), pattern)
        alternatives = [_split(text) for text in _unfold(absolute)]
        whole = "|".join(_path_regex(segments) for segments in alternatives)
        return Glob(pattern, tuple(alternatives), re.compile(whole, re.DOTALL))

    def matches(self, path: str) -> bool:
        """The absolute `path` matches as a whole."""
        return self._whole.fullmatch(path) is not None

    def find(self) -> list[str]:
        """Paths of regular files (also through a link) that match now, sorted, each once."""
        found: set[str] = set()
        for segments in self._segments:
            found.update(path for path in _walk("/", segments, 0) if os.path.isfile(path))
        return sorted(found)


def loose_stars(pattern: str) -> bool:
    """`**` stands beside other characters in a segment, where it means no more than `*`."""
    return any("**" in segment and segment != "**" for segment in pattern.split("/"))


def recursive_form(pattern: str) -> str:
    """What the writer of a loose `**` probably wanted: `/var/log/**.gz` becomes `/var/log/**/*.gz`."""
    segments = pattern.split("/")
    return "/".join("**/" + s.replace("**", "*") if "**" in s and s != "**" else s for s in segments)


def _unfold(pattern: str) -> list[str]:
    done: list[str] = []
    waiting = [pattern]
    while waiting:
        if len(waiting) + len(done) > ALTERNATIVES_MAX:
            raise InvalidRequest(f"pattern {pattern!r} has more than {ALTERNATIVES_MAX} alternatives")
        text = waiting.pop()
        place = _first_braces(text)
        if place is None:
            done.append(text)
            continue
        start, commas, end = place
        cuts = [start, *commas, end]
        for left, right in itertools.pairwise(cuts):
            waiting.append(text[:start] + text[left + 1 : right] + text[end + 1 :])
    return done


def _first_braces(text: str) -> tuple[int, list[int], int] | None:
    depth, start, commas, at = 0, -1, list[int](), 0
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
        elif char == "{":
            depth += 1
            if depth == 1:
                start = at
        elif char == "," and depth == 1:
            commas.append(at)
        elif char == "}" and depth:
            depth -= 1
            if depth == 0:
                return start, commas, at
        at += 1
    if depth:
        raise InvalidRequest(f"syntax error in pattern {text!r}: a brace is not closed")
    return None


def _split(pattern: str) -> tuple[str, ...]:
    return tuple(segment for segment in pattern.split("/") if segment)


def _path_regex(segments: tuple[str, ...]) -> str:
    parts: list[str] = []
    for at, segment in enumerate(segments):
        if segment != "**":
            parts.append("/" + _segment_regex(segment))
        elif at == len(segments) - 1:
            parts.append("(?:/.*)?")
        else:
            parts.append("(?:/[^/]+)*")
    return "".join(parts)


def _segment_regex(segment: str) -> str:
    out: list[str] = []
    at = 0
    while at < len(segment):
        char = segment[at]
        if char == "*":
            if not out or out[-1] != "[^/]*":
                out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            text, at = _class_regex(segment, at)
            out.append(text)
        elif char == "\\" and at + 1 < len(segment):
            at += 1
            out.append(re.escape(segment[at]))
        else:
            out.append(re.escape(char))
        at += 1
    return "".join(out)


def _class_regex(segment: str, start: int) -> tuple[str, int]:
    at = start + 1
    negated = segment[at : at + 1] in ("^", "!")
    at += negated
    members: list[str] = []
    while at < len(segment) and (segment[at] != "]" or not members):
        if segment[at] == "\\" and at + 1 < len(segment):
            at += 1
        members.append(
            "-" if segment[at] == "-" and members and segment[at + 1 : at + 2] != "]" else re.escape(segment[at])
        )
        at += 1
    if at >= len(segment):
        raise InvalidRequest(f"syntax error in pattern {segment!r}: a class is not closed")
    text = "[" + ("^/" if negated else "") + "".join(members) + "]"
    try:
        re.compile(text)
    except re.error as error:
        raise InvalidRequest(f"syntax error in pattern {segment!r}: {error}") from error
    return text, at


def _walk(base: str, segments: tuple[str, ...], depth: int) -> Iterator[str]:
    if not segments:
        yield base
        return
    head, rest = segments[0], segments[1:]
    if head == "**":
        yield from _walk(base, rest or ("*",), depth)
        if depth < DEPTH_MAX:
            for entry in _entries(base):
                if entry.is_dir(follow_symlinks=False):
                    yield from _walk(entry.path, segments, depth + 1)
    elif not _MAGIC.search(head):
        path = os.path.join(base, head)
        if os.path.lexists(path):
            yield from _walk(path, rest, depth)
    else:
        name = re.compile(_segment_regex(head), re.DOTALL)
        for entry in _entries(base):
            if name.fullmatch(entry.name) and (not rest or entry.is_dir()):
                yield from _walk(entry.path, rest, depth)


def _entries(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return list(entries)
    except OSError:  # not a directory, not ours to read, or gone since: it holds no file for us
        return []
