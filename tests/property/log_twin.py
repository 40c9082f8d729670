"""A log store that fits one page: what Lodur must answer, computed the plain way over a list in memory.

Start at `LogTwin`.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

NS_PER_S = 10**9

Labels: TypeAlias = tuple[tuple[str, str], ...]
"""Pairs, sorted by name."""


def labels_of(pairs: Mapping[str, str]) -> Labels:
    return tuple(sorted(pairs.items()))


@dataclass(frozen=True, slots=True)
class Row:
    """An entry with its stream."""

    labels: Labels
    ts_ns: int
    line: str
    metadata: Labels

    @property
    def result_labels(self) -> Labels:
        """The labels of the stream in which a query shows the row."""
        return tuple(sorted(self.labels + self.metadata))


@dataclass(frozen=True, slots=True)
class LabelTest:
    """`name op "value"` of a selector; a missing label is the empty text."""

    name: str
    op: str
    value: str

    def accepts(self, labels: Labels) -> bool:
        found = dict(labels).get(self.name, "")
        return _passes(self.op, found, self.value, whole=True)


@dataclass(frozen=True, slots=True)
class LineTest:
    """`op "value"` of a line filter."""

    op: str
    value: str

    def accepts(self, line: str) -> bool:
        if self.op in ("|=", "!="):
            return (self.value in line) is (self.op == "|=")
        return _passes("=~" if self.op == "|~" else "!~", line, self.value, whole=False)


def _passes(op: str, text: str, value: str, *, whole: bool) -> bool:
    if op in ("=", "!="):
        return (text == value) is (op == "=")
    search: Callable[..., object] = re.fullmatch if whole else re.search
    return (search(value, text, re.DOTALL) is not None) is (op == "=~")


@dataclass(frozen=True, slots=True)
class Chosen:
    """A selector with line filters."""

    labels: tuple[LabelTest, ...]
    lines: tuple[LineTest, ...] = ()

    def accepts(self, row: Row) -> bool:
        return all(test.accepts(row.labels) for test in self.labels) and all(
            test.accepts(row.line) for test in self.lines
        )


Series: TypeAlias = dict[Labels, dict[int, float]]
"""Values by labels and by time in seconds."""


class LogTwin:
    """Rows in the order of their arrival, each once."""

    def __init__(self) -> None:
        self.rows: dict[Row, None] = {}

    def push(self, rows: Iterable[Row]) -> None:
        """Equal rows are one, within a push and across pushes."""
        self.rows.update(dict.fromkeys(rows))

    def chosen(self, chosen: Chosen, start_ns: int, end_ns: int) -> list[Row]:
        """The rows with `start_ns <= ts < end_ns`."""
        return [row for row in self.rows if start_ns <= row.ts_ns < end_ns and chosen.accepts(row)]

    def streams(self, tests: Sequence[LabelTest]) -> set[Labels]:
        return {row.labels for row in self.rows if all(test.accepts(row.labels) for test in tests)}

    def over_time(
        self,
        chosen: Chosen,
        range_s: int,
        times_s: Sequence[int],
        weigh: Callable[[Row], float],
        by: Sequence[str] | None,
    ) -> Series:
        """The sum of weights over the windows `(t - range, t]`; `by` groups the series, None leaves all labels."""
        rows = [row for row in self.rows if chosen.accepts(row)]
        series: Series = defaultdict(dict)
        for time_s in times_s:
            sums: Counter[Labels] = Counter()
            for row in rows:
                if (time_s - range_s) * NS_PER_S < row.ts_ns <= time_s * NS_PER_S:
                    sums[_grouped(row.result_labels, by)] += weigh(row)  # type: ignore[assignment]  # sums of floats
            # An empty line weighs nothing, but its window is there.
            for labels, value in sums.items():
                series[labels][time_s] = value
        return dict(series)


def _grouped(labels: Labels, by: Sequence[str] | None) -> Labels:
    return labels if by is None else tuple(pair for pair in labels if pair[0] in by)
