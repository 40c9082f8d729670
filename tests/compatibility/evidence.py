"""Which tests stand behind a row: recorded answers of Loki that use it, and tests that name it.

Start at `Evidence`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lodur.logql.lexer import tokenize
from lodur.logql.tokens import TokenKind
from tests.conformance.known_differences import CORPUS, accepted_differences, not_yet

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent

FILES_MAX = 3
"""Named in a row: enough to start reading."""

_NOT_EVIDENCE = ("compatibility/", "conformance/", "test_compatibility.py", "fuzz_")
"""Lists of names prove nothing."""

_TEMPLATES = (TokenKind.LINE_FORMAT, TokenKind.LABEL_FORMAT)


class Evidence:
    """All that the tests say, read once."""

    def __init__(self) -> None:
        self._words: dict[str, Counter[str]] = {}
        self._paths: dict[str, Counter[str]] = {}
        for file in sorted(TESTS.rglob("test_*.py")):
            name = file.relative_to(ROOT).as_posix()
            if name.removeprefix("tests/").startswith(_NOT_EVIDENCE):
                continue
            text = file.read_text(encoding="utf-8")
            self._words[name] = Counter(re.findall(r"\w+", text))
            self._paths[name] = Counter(re.findall(r"/[\w/{}.-]*", text))
        self.recorded_paths: Counter[str] = Counter()
        self.recorded_words: Counter[str] = Counter()
        self.recorded_functions: Counter[str] = Counter()
        self.differing_words: Counter[str] = Counter()
        unequal = accepted_differences() | not_yet()
        for case in _cases():
            self.recorded_paths[case.path] += 1
            words, functions = _used(case.query)
            self.recorded_words.update(words)
            self.recorded_functions.update(functions)
            if case.name in unequal:
                self.differing_words.update(words | functions)

    def naming(self, words: Iterable[str]) -> list[str]:
        """The test files that name every one of these words, those that do it most first."""
        wanted = list(words)
        counts = {name: min(found[word] for word in wanted) for name, found in self._words.items()}
        return _most(counts)

    def asking(self, path: str) -> list[str]:
        """The test files that name this path, whose parameters stand in braces."""
        pattern = re.compile(re.sub(r"\\{\w+(:path)?\\}", r"[^/]+", re.escape(path)) + r"[.-]?")
        named = {
            name: sum(count for found, count in paths.items() if pattern.fullmatch(found) or found.endswith(path))
            for name, paths in self._paths.items()
        }
        return _most(named if path != "/" else {})

    def recorded_at(self, path: str) -> int:
        """How many recorded answers are to this path."""
        pattern = re.compile(re.sub(r"\\{\w+(:path)?\\}", r"[^/]+", re.escape(path)))
        return sum(count for found, count in self.recorded_paths.items() if pattern.fullmatch(found))


def _most(counts: dict[str, int]) -> list[str]:
    # System tests before others: they show the program as its users meet it.
    named = [name for name, count in counts.items() if count]
    return sorted(named, key=lambda name: ("/system/" not in name, -counts[name], name))[:FILES_MAX]


@cache
def _used(query: str) -> tuple[frozenset[str], frozenset[str]]:
    """The words of a query, and the functions of its templates."""
    words: set[str] = set()
    functions: set[str] = set()
    in_template = False
    for token in tokenize(query):
        in_template = token.kind in _TEMPLATES or (in_template and token.kind is not TokenKind.PIPE)
        if token.kind is TokenKind.STRING:
            if in_template:
                functions |= set(re.findall(r"[A-Za-z_]\w*", token.text))
        elif token.kind not in (TokenKind.IDENTIFIER, TokenKind.NUMBER, TokenKind.UNKNOWN):
            words.add(query[token.start : token.end].lower())
    return frozenset(words), frozenset(functions)


@dataclass(frozen=True, slots=True)
class _Case:
    name: str
    path: str
    query: str


def _cases() -> Iterator[_Case]:
    for file in sorted((CORPUS / "dev" / "cases").glob("*.jsonl")):
        for line in file.read_text("utf-8").splitlines():
            case = json.loads(line)
            query = next((value for name, value in case.get("params", ()) if name == "query"), "")
            yield _Case(case["id"], case["path"], query)
