"""Read a long log query page by page.

The next page begins at the last entry's timestamp, because more entries may share it than the page could hold; what
the page before has already shown of that timestamp is taken out of it. A page is one request to the server; how it is
made and printed is left to the caller. Start at `read_pages`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from heapq import merge
from operator import attrgetter

from lodur.cli.answers import LogStream
from lodur.model.errors import InvalidRequest
from lodur.model.label_set import LabelSet


class Direction(Enum):
    """Which end of the span is read first; the value is the server's own word."""

    FORWARD = "FORWARD"
    BACKWARD = "BACKWARD"


NO_LABELS = LabelSet()


@dataclass(frozen=True, slots=True)
class Entry:
    """A line with its label set; entries that are equal are the same one, stored or sent more than once."""

    ts_ns: int
    labels: LabelSet
    line: str
    metadata: LabelSet = NO_LABELS
    """Structured metadata, where the server was asked to tell it from the labels."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """One request of a paged query."""

    start_ns: int
    end_ns: int
    limit: int


FetchPage = Callable[[PageRequest], list[LogStream]]
"""Ask the server for one page."""


def first_page(start_ns: int, end_ns: int, limit: int, batch: int) -> PageRequest:
    """What to ask for before anything is known."""
    return PageRequest(start_ns, end_ns, min(limit, batch) if limit else batch)


def read_pages(
    first: list[LogStream],
    fetch: FetchPage,
    *,
    start_ns: int,
    end_ns: int,
    direction: Direction,
    limit: int,
    batch: int,
) -> Iterator[list[Entry]]:
    """Yield pages of new entries in the order of `direction` until `limit` of them were given (0: all).

    `first` is the answer to `first_page`; `fetch` is called for each page after it.
    Raises InvalidRequest where more entries share a timestamp than a page can hold, for then it has no next page.
    """
    shown: Counter[Entry] = Counter()
    given = 0
    asked = first_page(start_ns, end_ns, limit, batch).limit
    streams = first
    while True:
        entries = merge_streams(streams, direction)
        new = without(entries, shown)
        if limit:
            new = new[: limit - given]
        if new:
            yield new
        given += len(new)
        if len(entries) < asked or (limit and given >= limit):
            return
        if not new:
            raise InvalidRequest(
                f"more than {batch} entries share the timestamp {entries[-1].ts_ns}, so there is no next page;"
                f" ask again with --batch above {batch}, or with more selective matchers or filters"
            )
        seam_ns = new[-1].ts_ns
        earlier = Counter({entry: count for entry, count in shown.items() if entry.ts_ns == seam_ns})
        shown = earlier | Counter(entry for entry in entries if entry.ts_ns == seam_ns)
        if direction is Direction.FORWARD:
            start_ns = seam_ns
        else:
            end_ns = seam_ns + 1
        asked = min(batch, limit - given + shown.total()) if limit else batch
        streams = fetch(PageRequest(start_ns, end_ns, asked))


def merge_streams(streams: list[LogStream], direction: Direction) -> list[Entry]:
    """All entries of a page in one order of time; equal timestamps keep the server's order of streams."""
    backward = direction is Direction.BACKWARD
    return list(merge(*(_entries(stream) for stream in streams), key=attrgetter("ts_ns"), reverse=backward))


def _entries(stream: LogStream) -> list[Entry]:
    labels = LabelSet.of(stream.stream)
    return [
        Entry(
            value.ts_ns, labels, value.line, LabelSet.of(value.categories.metadata) if value.categories else NO_LABELS
        )
        for value in stream.values
    ]


def without(entries: list[Entry], shown: Counter[Entry]) -> list[Entry]:
    """The entries that were not shown yet; counted, for equal entries may be there more than once."""
    if not shown:
        return entries
    left = shown.copy()
    new = []
    for entry in entries:
        if left[entry] > 0:
            left[entry] -= 1
        else:
            new.append(entry)
    return new
