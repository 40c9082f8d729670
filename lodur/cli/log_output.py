"""Print log entries: for people (default), line by line (raw), or for programs (jsonl, json)."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from enum import Enum
from typing import assert_never

import click
import msgspec

from lodur.cli.paging import Entry
from lodur.cli.times import TimeFormat, format_time, format_time_as
from lodur.model.label_set import LabelSet


class OutputMode(Enum):
    """How results are printed; the value is the word of `--output`."""

    DEFAULT = "default"
    RAW = "raw"
    JSONL = "jsonl"
    JSON = "json"


STREAM_COLOURS = ("green", "yellow", "magenta", "cyan", "bright_red", "bright_green", "bright_yellow", "bright_magenta")
"""Readable on dark and light terminals; blue is left to the timestamps."""


@dataclass(frozen=True, slots=True)
class LogFormat:
    """What of an entry is printed, and how."""

    mode: OutputMode
    zone: tzinfo
    time_format: TimeFormat = TimeFormat.RFC3339
    coloured: bool = False
    quiet: bool = False
    """Print no header about the result's labels."""
    show_labels: bool = True
    include_labels: frozenset[str] = frozenset()
    """Print only these labels (empty: all)."""
    exclude_labels: frozenset[str] = frozenset()
    include_common: bool = False
    """Print the labels that all entries share in each line too."""
    labels_width: int = 0
    """Pad labels to so many characters at least."""


class LogPrinter:
    """Prints pages of entries; the header is printed again only where a page has other common labels.

    `close` ends what has an end: the array of the JSON output.
    """

    def __init__(self, layout: LogFormat, *, out: Callable[[str], None], err: Callable[[str], None]) -> None:
        self._layout = layout
        self._out = out
        self._err = err
        self._common = LabelSet()
        self._width = layout.labels_width
        self._objects = 0
        self._colours: dict[LabelSet, str] = {}

    def print_page(self, entries: Sequence[Entry]) -> None:
        match self._layout.mode:
            case OutputMode.RAW:
                lines = [entry.line.removesuffix("\n") for entry in entries]
            case OutputMode.JSONL:
                lines = self._json_lines(entries)
            case OutputMode.JSON:
                self._out("".join(map(self._next_of_array, self._json_lines(entries))))
                return
            case OutputMode.DEFAULT:
                lines = self._readable_lines(entries)
            case mode:
                assert_never(mode)
        self._out("".join(f"{line}\n" for line in lines))

    def close(self) -> None:
        """Nothing more will be printed."""
        if self._layout.mode is OutputMode.JSON:
            self._out("\n]\n" if self._objects else "[]\n")

    def _next_of_array(self, text: str) -> str:
        self._objects += 1
        return f"[\n{text}" if self._objects == 1 else f",\n{text}"

    def _json_lines(self, entries: Sequence[Entry]) -> list[str]:
        layout = self._layout
        encode = msgspec.json.Encoder(order="deterministic").encode
        return [
            encode(
                {
                    "labels": dict(self._chosen(entry.labels, LabelSet())),
                    "line": entry.line,
                    "timestamp": format_time(entry.ts_ns, layout.zone, nanos=True),
                }
            ).decode()
            for entry in entries
        ]

    def _readable_lines(self, entries: Sequence[Entry]) -> list[str]:
        layout = self._layout
        label_sets = {entry.labels for entry in entries}
        hidden = LabelSet() if layout.include_common else common_labels(label_sets)
        if hidden and hidden != self._common and layout.show_labels and not layout.quiet:
            self._err(f"Common labels: {hidden}\n")
        self._common = hidden
        texts = {labels: str(self._chosen(labels, hidden)) for labels in label_sets}
        self._width = max(self._width, *map(len, texts.values()))
        columns = {labels: self._label_column(text, labels) for labels, text in texts.items()}
        return [
            f"{self._time_column(entry.ts_ns)} {columns[entry.labels]}{entry.line.removesuffix(chr(10))}"
            for entry in entries
        ]

    def _chosen(self, labels: LabelSet, hidden: LabelSet) -> LabelSet:
        include, exclude = self._layout.include_labels, self._layout.exclude_labels
        return LabelSet.of(
            (name, value)
            for name, value in labels
            if name not in hidden and name not in exclude and (not include or name in include)
        )

    def _time_column(self, ts_ns: int) -> str:
        text = format_time_as(ts_ns, self._layout.zone, self._layout.time_format)
        return click.style(text, fg="blue") if self._layout.coloured else text

    def _label_column(self, text: str, labels: LabelSet) -> str:
        if not self._layout.show_labels:
            return ""
        padded = text.ljust(self._width)
        return f"{click.style(padded, fg=self._colour(labels))} " if self._layout.coloured else f"{padded} "

    def _colour(self, labels: LabelSet) -> str:
        if labels not in self._colours:
            self._colours[labels] = stream_colour(labels, self._colours.values())
        return self._colours[labels]


def stream_colour(labels: LabelSet, taken: Collection[str]) -> str:
    """The colour that belongs to the label set in every run, or the next one that is not taken."""
    first = zlib.crc32(str(labels).encode()) % len(STREAM_COLOURS)
    order = STREAM_COLOURS[first:] + STREAM_COLOURS[:first]
    return next((colour for colour in order if colour not in taken), order[0])


def common_labels(label_sets: Iterable[LabelSet]) -> LabelSet:
    """The labels that every set has with the same value; none where there are no sets."""
    sets = [frozenset(labels) for labels in label_sets]
    return LabelSet.of(frozenset.intersection(*sets)) if sets else LabelSet()
