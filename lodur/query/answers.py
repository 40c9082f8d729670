"""What the engine answers, before it is written for a client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from lodur.kernels.scan import LogResult
from lodur.query.evaluate.matrix import Matrix
from lodur.query.stats import Statistics
from lodur.query.steps import Steps


@dataclass(frozen=True, slots=True, eq=False)
class StreamsAnswer:
    """The entries of a log query."""

    result: LogResult
    statistics: Statistics
    warnings: tuple[str, ...] = ()
    is_filtered: bool = False
    """Whether the query looks at lines or labels of entries, beyond their streams."""


@dataclass(frozen=True, slots=True, eq=False)
class MatrixAnswer:
    """Series over several steps, sorted by labels; none without any sample."""

    matrix: Matrix
    steps: Steps
    statistics: Statistics
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class VectorAnswer:
    """Series at one time, in the order in which they are to be listed; `matrix` has one step."""

    matrix: Matrix
    time_ns: int
    statistics: Statistics
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScalarAnswer:
    """A number."""

    value: float
    time_ns: int
    statistics: Statistics


@dataclass(frozen=True, slots=True)
class Field:
    """A field of log lines: the narrowest type of its values and how many differ."""

    name: str
    kind: str
    cardinality: int
    parsers: tuple[str, ...]
    """The parsers that find it; none for structured metadata."""
    json_path: tuple[str, ...] | None
    """The keys that lead to it in a JSON line."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """What lines of one level have in common; `samples` are numbers of steps since the epoch, and lines."""

    text: str
    level: str
    samples: tuple[tuple[int, int], ...]


RangeAnswer: TypeAlias = StreamsAnswer | MatrixAnswer
InstantAnswer: TypeAlias = VectorAnswer | ScalarAnswer
