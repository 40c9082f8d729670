"""Rows that an import reads, whatever they were read from, and the batches in which they are sent.

A row that cannot be read is a `BadRow` with its place; what follows from it is for who delivers to say. Start at
`batches`.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from lodur.model.label_set import LabelSet

BATCH_BYTES = 2**20
"""Of a request, as agents send them; far below what any server refuses as too large."""

BATCH_ROWS_MAX = 10_000
"""Of a request: empty lines cost memory too."""

ROW_BYTES = 64
"""Of a row besides its texts: a timestamp, quotes and brackets."""

CONTENT_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Row:
    """An entry, and its place in its file: the number of its line or row, from 1."""

    place: int
    ts_ns: int
    labels: LabelSet
    line: str
    metadata: Mapping[str, str]

    @property
    def size_bytes(self) -> int:
        """About what it takes in a request."""
        return ROW_BYTES + len(self.line) + sum(len(name) + len(value) for name, value in self.metadata.items())


@dataclass(frozen=True, slots=True)
class BadRow:
    """A place where no entry can be read, and why."""

    place: int
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive rows of one file; `end` is the place of the last record that is in it or was passed over."""

    file: str
    rows: tuple[Row, ...]
    bad: tuple[BadRow, ...]
    end: int


def batches(file: str, rows: Iterable[Row | BadRow], *, after: int) -> Iterator[Batch]:
    """The rows in batches of about a MiB, those up to the place `after` left out."""
    good: list[Row] = []
    bad: list[BadRow] = []
    size_bytes = 0
    place = after
    for row in rows:
        if row.place <= after:
            continue
        place = max(place, row.place)
        if isinstance(row, BadRow):
            bad.append(row)
        else:
            good.append(row)
            size_bytes += row.size_bytes
        if size_bytes >= BATCH_BYTES or len(good) + len(bad) >= BATCH_ROWS_MAX:
            yield Batch(file, tuple(good), tuple(bad), place)
            good, bad, size_bytes = [], [], 0
    if good or bad:
        yield Batch(file, tuple(good), tuple(bad), place)


def push_body(rows: Sequence[Row], *, compress: bool) -> bytes:
    """The rows as a push request of JSON."""
    streams: dict[LabelSet, list[tuple[str, str] | tuple[str, str, Mapping[str, str]]]] = {}
    for row in rows:
        values = streams.setdefault(row.labels, [])
        if row.metadata:
            values.append((str(row.ts_ns), row.line, row.metadata))
        else:
            values.append((str(row.ts_ns), row.line))
    body = msgspec.json.encode(
        {"streams": [{"stream": dict(labels), "values": values} for labels, values in streams.items()]}
    )
    return gzip.compress(body, compresslevel=1) if compress else body
