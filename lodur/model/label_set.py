"""Label sets: the identity of a stream or series."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from lodur.model.go_strings import quote


@dataclass(frozen=True, slots=True, order=True)
class LabelSet:
    """Name-value pairs, sorted by name, each name once; prints as `{a="b", c="d"}`.

    Build one with `of`: the constructor itself trusts its argument to be sorted and unique.
    """

    pairs: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, labels: Mapping[str, str] | Iterable[tuple[str, str]]) -> LabelSet:
        """The label set of these pairs; ValueError if a name occurs twice."""
        pairs = tuple(sorted(labels.items() if isinstance(labels, Mapping) else labels))
        for (name, _), (following, _) in pairwise(pairs):
            if name == following:
                raise ValueError(f"label name {quote(name)} occurs twice")
        return cls(pairs)

    def get(self, name: str) -> str:
        """The value of `name`; empty where absent, as matchers see it."""
        for key, value in self.pairs:
            if key == name:
                return value
        return ""

    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.pairs)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def __contains__(self, name: object) -> bool:
        return any(key == name for key, _ in self.pairs)

    def __str__(self) -> str:
        return "{" + ", ".join(f"{name}={quote(value)}" for name, value in self.pairs) + "}"
