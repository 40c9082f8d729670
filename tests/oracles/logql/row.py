"""An entry on its way through a pipeline: its line, its labels in three categories, its error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

ERROR, ERROR_DETAILS = "__error__", "__error_details__"

Pairs: TypeAlias = tuple[tuple[str, str], ...]
"""Labels, sorted by name."""

Gate: TypeAlias = tuple[str, Callable[[str], bool]]
"""A label and the test of a later string filter that every line must pass."""


def pairs_of(labels: dict[str, str]) -> Pairs:
    return tuple(sorted(labels.items()))


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as it is stored."""

    stream: Pairs
    ts_ns: int
    line: str
    metadata: Pairs = ()


@dataclass(frozen=True, slots=True)
class Needs:
    """The labels that a metric query looks at: parsers make no others, and stop when they have found all."""

    names: frozenset[str]
    renames: bool = False
    """A label that was renamed may be found again."""

    @property
    def finds_max(self) -> float:
        """After so many finds nothing is missing; errors show only when all is read."""
        return float("inf") if self.renames or self.names & {ERROR, ERROR_DETAILS} else len(self.names)

    def wants_key(self, key: str) -> bool:
        return key in self.names or f"{key}_extracted" in self.names

    def wants_prefix(self, prefix: str) -> bool:
        return any(name.startswith(prefix) for name in self.names)


class Rejected(Exception):
    """The entry cannot pass any more."""


class Satisfied(Exception):
    """All labels that anybody looks at are found."""


class Row:
    """One entry while it is processed; `gates` are those of the stages to come."""

    def __init__(self, entry: Entry, needs: Needs | None = None) -> None:
        self.entry = entry
        self.line = entry.line
        self.needs = needs
        self.gates: Sequence[Gate] = ()
        self.stream_names = frozenset(name for name, _ in entry.stream)
        self.stream = dict(entry.stream)
        self.metadata = {
            f"{name}_extracted" if name in self.stream_names else name: value for name, value in entry.metadata
        }
        self.parsed: dict[str, str] = {}
        self.finds = 0
        self.error = ""
        self.details = ""

    def fail(self, error: str, details: str = "") -> None:
        self.error, self.details = error, details

    def get(self, name: str) -> str | None:
        """The value that counts: that of the error, or parsed before metadata before stream."""
        if name == ERROR and self.error:
            return self.error
        if name == ERROR_DETAILS and self.details:
            return self.details
        for labels in (self.parsed, self.metadata, self.stream):
            if name in labels:
                return labels[name]
        return None

    def text(self, name: str) -> str:
        """What a comparison of texts sees."""
        if name in (ERROR, ERROR_DETAILS):
            return self.error if name == ERROR else self.details
        return self.get(name) or ""

    def categories(self) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
        """Stream labels, metadata and parsed labels as an answer shows them."""
        parsed = dict(self.parsed)
        if self.error:
            parsed[ERROR] = self.error
        if self.details:
            parsed[ERROR_DETAILS] = self.details
        stream = {name: value for name, value in self.stream.items() if name not in self.parsed}
        metadata = {name: value for name, value in self.metadata.items() if name not in self.parsed}
        return stream, metadata, parsed

    def labels(self) -> dict[str, str]:
        stream, metadata, parsed = self.categories()
        return stream | metadata | parsed

    @property
    def is_satisfied(self) -> bool:
        return self.needs is not None and self.finds >= self.needs.finds_max

    def wants_key(self, key: str) -> bool:
        return self.needs is None or self.needs.wants_key(key)

    def final_name(self, name: str) -> str:
        return f"{name}_extracted" if self._is_taken(name) else name

    def _is_taken(self, name: str) -> bool:
        return name in self.stream_names or name in self.metadata

    def extract(self, name: str, value: str) -> None:
        """A label found in the line; the first find of a name stays. Raises Rejected and Satisfied."""
        if not self.wants_key(name):
            return
        name = self.final_name(name)
        if name in self.parsed:
            return
        if any(gate_name == name and not passes(value) for gate_name, passes in self.gates):
            raise Rejected
        self._add(name, value)
        if self.is_satisfied:
            raise Satisfied

    def set_extraction(self, name: str, value: str) -> None:
        """The label of an extraction, over what was found before. Raises Satisfied."""
        name = self.final_name(name)
        if name in self.parsed:
            self.parsed[name] = value
            return
        self._add(name, value)
        if self.is_satisfied:
            raise Satisfied

    def extract_missing(self, name: str) -> None:
        """An extraction that found nothing."""
        if not self._is_taken(name) and name not in self.parsed:
            self._add(name, "")

    def _add(self, name: str, value: str) -> None:
        if self.needs is None or name in self.needs.names:
            self.parsed[name] = value
            self.finds += 1

    def remove(self, goes: Callable[[str, str], bool]) -> None:
        """Take out each label for which `goes` holds, the error by its names too."""
        for labels in (self.stream, self.metadata, self.parsed):
            for name in [name for name, value in labels.items() if goes(name, value)]:
                del labels[name]
        if self.error and goes(ERROR, self.error):
            self.error = ""
        if self.details and goes(ERROR_DETAILS, self.details):
            self.details = ""
