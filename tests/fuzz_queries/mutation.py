"""Queries gone wrong: bytes and words changed, taken out, doubled, joined with others, repeated without measure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from random import Random

from lodur.logql.tokens import AGGREGATIONS, CALLS, KEYWORDS, OPERATORS
from tests.oracles.logql.generate_queries import QueryGenerator

_CORPUS = Path(__file__).parents[1] / "conformance" / "logql" / "dev" / "cases"
_SELECTOR = re.compile(r"\{[^{}]*\}")
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`|[A-Za-z_]\w*|\d[\w.]*|\s+|[|!=<>~]{2}|.', re.DOTALL)

_WORDS = (
    *sorted(KEYWORDS),
    *sorted(OPERATORS),
    *sorted(CALLS),
    *sorted(AGGREGATIONS),
    *('"t"', "`(`", "5", "5m", "[5m]", "1KB", "--strict", '{app=~".+"}', "x", "-", "1e309", "0x1p4", "9" * 40),
    *('"(?P<x>.*)"', '"<a> <b>"', '"a[0].b"', 'ip("10.0.0.0/8")', '"{{.app}}"', '"(a+)+$"', '"\\\\pL{1000}"', "# c\n"),
    *("offset 5m", "| unwrap n", '| __error__=""', "bool", "group_left", "[9999999y]", "1d2h", "1.5h", "é"),
)
_CHARACTERS = "\"`'\\{}[]()|=!~<>,.:;#$%^&*+-/@?_ \t\n\r\0aA0zZé日🎉\u202e\udcff\udc80İ"
_WRAPPERS = (
    ("(", ")"),
    ("sum(", ")"),
    ("rate(", "[5m])"),
    ("1+(", ")"),
    ("topk(1,", ")"),
    ("label_replace(", ',"a","b","c","d")'),
    ("-", ""),
    ("", " or vector(1)"),
    ("", ' | app="x"'),
    ("", ' |= "x"'),
    ("", "^2"),
    ("variants(", ') of ({app="x"}[5m])'),
)
_LONG = 20_000
_LONGEST = 140_000
"""Beyond what queries may be long."""


def recorded_queries() -> list[str]:
    """The queries of the recorded corpus."""
    texts: set[str] = set()
    for file in sorted(_CORPUS.glob("*.jsonl")):
        for line in file.read_text("utf-8").splitlines():
            texts.update(value for name, value in json.loads(line).get("params", ()) if name == "query")
    return sorted(texts)


class Mutator:
    """Draws texts that began as queries."""

    def __init__(self, random: Random, recorded: Sequence[str]) -> None:
        self._random = random
        self._recorded = recorded
        self._generator = QueryGenerator(random)

    def draw(self) -> str:
        text = self._seed()
        for _ in range(self._random.choice((0, 1, 1, 2, 3, 6))):
            kind = self._random.random()
            if kind < 0.35:
                text = self._change_characters(text)
            elif kind < 0.8:
                text = self._change_words(text)
            elif kind < 0.95:
                text = self._splice(text, self._seed())
            else:
                text = self._repeat(text)
        return text

    def _seed(self) -> str:
        """A query; a recorded one is mostly about other streams, which are then replaced by all."""
        if self._random.random() < 0.5:
            generate = self._generator.log_query if self._random.random() < 0.4 else self._generator.metric_query
            return generate()
        text = self._random.choice(self._recorded)
        return _SELECTOR.sub('{app=~".+"}', text, count=1) if self._random.random() < 0.7 else text

    def _change_characters(self, text: str) -> str:
        start = self._random.randint(0, len(text))
        end = min(len(text), start + self._random.choice((0, 0, 1, 1, 2, 5)))
        new = "".join(self._random.choice(_CHARACTERS) for _ in range(self._random.choice((0, 1, 1, 2, 4))))
        return text[:start] + new + text[end:]

    def _change_words(self, text: str) -> str:
        words = _WORD.findall(text) or [""]
        at, other = self._random.randrange(len(words)), self._random.randrange(len(words))
        match self._random.randrange(5):
            case 0:
                del words[at]
            case 1:
                words[at] = self._random.choice(_WORDS)
            case 2:
                words.insert(at, f" {self._random.choice(_WORDS)} ")
            case 3:
                words[at], words[other] = words[other], words[at]
            case _:
                words[at:at] = words[min(at, other) : max(at, other)]
        return "".join(words)[:_LONGEST]

    def _splice(self, left: str, right: str) -> str:
        return left[: self._random.randint(0, len(left))] + right[self._random.randint(0, len(right)) :]

    def _repeat(self, text: str) -> str:
        """A part, or what stands around the whole, many times."""
        size = _LONGEST if self._random.random() < 0.01 else _LONG if self._random.random() < 0.1 else 500
        if self._random.random() < 0.4:
            before, after = self._random.choice(_WRAPPERS)
            times = self._random.randint(1, max(1, (size - len(text)) // len(before + after)))
            return before * times + text + after * times
        words = _WORD.findall(text) or [" "]
        at = self._random.randrange(len(words))
        part = "".join(words[at : at + self._random.randint(1, 6)])
        times = self._random.randint(1, max(1, size // len(part)))
        return "".join(words[:at]) + part * times + "".join(words[at:])
