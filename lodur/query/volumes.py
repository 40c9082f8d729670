"""Volumes: how many bytes there are, by labels and by time. What is asked, what is answered, and the buckets between.

Bytes are those of lines and of structured metadata. `Catalog.volumes` finds them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from lodur.logql.selector import Selector
from lodur.model.durations import NS_PER_MS
from lodur.model.label_set import LabelSet
from lodur.model.matcher import Matcher, MatchOp
from lodur.model.time_span import TimeSpan


class VolumeBy(Enum):
    """What volumes are told apart by; the value is the word of the parameter `aggregateBy`."""

    SERIES = "series"
    """Values of labels."""
    LABELS = "labels"
    """Names of labels."""


@dataclass(frozen=True, slots=True)
class VolumeRequest:
    """Volumes of a selector over a span, the `limit` largest of them; in one bucket where there is no step."""

    selector: Selector
    span: TimeSpan
    limit: int
    step_ns: int | None = None
    target_labels: tuple[str, ...] = ()
    by: VolumeBy = VolumeBy.SERIES

    def label_names(self) -> tuple[str, ...] | None:
        """The labels that tell volumes apart; None for all."""
        if self.target_labels:
            return self.target_labels
        if self.by is VolumeBy.LABELS or not self.selector.matchers:
            return None
        return tuple(dict.fromkeys(matcher.name for matcher in self.selector.matchers))

    def full_selector(self) -> Selector:
        """The selector, and that the target labels are there."""
        present = (Matcher(name, MatchOp.NOT_EQUAL, "") for name in self.target_labels)
        return Selector((*self.selector.matchers, *present))


@dataclass(frozen=True, slots=True)
class Volume:
    """Bytes by bucket of what has these labels (of what has the one label, where labels are counted by name)."""

    labels: LabelSet
    bytes: tuple[int, ...]

    @property
    def buckets(self) -> int:
        """How many buckets have any."""
        return sum(size > 0 for size in self.bytes)


def bucket_edges(span: TimeSpan, step_ns: int | None) -> list[int]:
    """The start, the multiples of the step since the epoch within the span, and the end."""
    if step_ns is None:
        return [span.start_ns, span.end_ns]
    first_ns = (span.start_ns // step_ns + 1) * step_ns
    return [span.start_ns, *range(first_ns, span.end_ns, step_ns), span.end_ns]


def bucket_times(edges_ns: list[int]) -> list[int]:
    """The time that stands for each bucket: its last millisecond; for the last bucket, its end."""
    return [*(edge_ns - NS_PER_MS for edge_ns in edges_ns[1:-1]), edges_ns[-1]]
