"""The syntax tree of LogQL above the stages. `str` of any node gives one line that parses to the same node.

Nodes are plain values: equal trees mean the same query wherever it was written, so spans are left out of equality.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from lodur.logql.numbers import format_number
from lodur.logql.operators import BinaryOp, GroupSide, RangeOp, VectorOp
from lodur.logql.selector import NO_SPAN, Selector
from lodur.logql.stages import Stage
from lodur.logql.stages.unwrap import Unwrap
from lodur.model.durations import format_go_duration, format_prometheus_duration
from lodur.model.errors import Span
from lodur.model.go_strings import quote


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Entries of the streams that `selector` chooses, sent through `stages` in order."""

    selector: Selector
    stages: tuple[Stage, ...] = ()
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        return " ".join(map(str, (self.selector, *self.stages)))


@dataclass(frozen=True, slots=True)
class LogRange:
    """The entries of a window `(t - offset - range, t - offset]`, as samples of `unwrap` where it is given."""

    selector: Selector
    range_ns: int
    stages: tuple[Stage, ...] = ()
    unwrap: Unwrap | None = None
    offset_ns: int = 0
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        body = " ".join(map(str, (self.selector, *self.stages, *((self.unwrap,) if self.unwrap else ()))))
        offset = f" offset {format_go_duration(self.offset_ns)}" if self.offset_ns else ""
        return f"{body}[{format_prometheus_duration(self.range_ns)}]{offset}"


@dataclass(frozen=True, slots=True)
class Grouping:
    """Series that agree in `labels` (where `without`: in all the others) fall into one group."""

    labels: tuple[str, ...]
    without: bool = False
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{'without' if self.without else 'by'} ({','.join(self.labels)})"


@dataclass(frozen=True, slots=True)
class RangeAggregation:
    """A function of each series' window; `parameter` is the quantile of quantile_over_time."""

    op: RangeOp
    log_range: LogRange
    parameter: float | None = None
    grouping: Grouping | None = None
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        parameter = "" if self.parameter is None else f"{format_number(self.parameter)},"
        grouping = f" {self.grouping}" if self.grouping else ""
        return f"{self.op.value}({parameter}{self.log_range}){grouping}"


@dataclass(frozen=True, slots=True)
class VectorAggregation:
    """A function of the series of one instant, per group; `parameter` is the k of topk and its kin."""

    op: VectorOp
    operand: MetricQuery
    parameter: int | None = None
    grouping: Grouping | None = None
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        parameter = "" if self.parameter is None else f"{self.parameter},"
        grouping = f" {self.grouping}" if self.grouping else ""
        return f"{self.op.value}{grouping}({parameter}{self.operand})"


@dataclass(frozen=True, slots=True)
class VectorMatching:
    """Which series of two sides belong together: those equal in `labels` (`on`), or in all but `labels`.

    `group` names the side with many series for one of the other; `include` are labels it takes from that one.
    """

    on: bool
    labels: tuple[str, ...]
    group: GroupSide | None = None
    include: tuple[str, ...] = ()

    def before(self, right: str, separator: str) -> str:
        """The modifiers as they stand in front of the text of the right side.

        A group side without labels has no list, unless the parentheses of the right side would be taken for it.
        """
        matching = f"{'on' if self.on else 'ignoring'} ({separator.join(self.labels)})"
        if self.group is None:
            return matching
        has_list = self.include or right.lstrip().startswith("(")
        return f"{matching} {self.group.value}" + (f" ({separator.join(self.include)})" if has_list else "")


@dataclass(frozen=True, slots=True)
class BinaryOperation:
    """Two metric queries joined; a comparison filters, or gives 0 and 1 where `returns_bool`.

    At most one side is a Literal: arithmetic between two was done when the query was read.
    """

    op: BinaryOp
    left: MetricQuery
    right: MetricQuery
    matching: VectorMatching | None = None
    returns_bool: bool = False
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        returns_bool = " bool" if self.returns_bool else ""
        right = str(self.right)
        matching = f" {self.matching.before(right, ',')}" if self.matching else ""
        # The reference leaves the blank of a group side that is not there; the printed form is kept equal.
        blank = " " if self.matching and self.matching.group is None else ""
        return f"({self.left} {self.op.value}{returns_bool}{matching}{blank} {right})"


@dataclass(frozen=True, slots=True)
class Literal:
    """A number; a query of its own, or an operand."""

    value: float
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        return format_number(self.value)


@dataclass(frozen=True, slots=True)
class VectorLiteral:
    """`vector(n)`: one series without labels."""

    value: float
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        fixed = f"{self.value:f}"
        return f"vector({fixed if float(fixed) == self.value else format_number(self.value)})"


@dataclass(frozen=True, slots=True)
class LabelReplace:
    """Sets the label `target` to `replacement` (with `$1`, `${name}`) where `regexp` matches all of `source`."""

    operand: MetricQuery
    target: str
    replacement: str
    source: str
    regexp: str
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        texts = ",".join(map(quote, (self.target, self.replacement, self.source, self.regexp)))
        return f"label_replace({self.operand},{texts})"


@dataclass(frozen=True, slots=True)
class Variants:
    """Several metric queries over one read of `log_range`; each result is labelled `__variant__` with its number."""

    queries: tuple[MetricQuery, ...]
    log_range: LogRange
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        return f"variants({', '.join(map(str, self.queries))}) of ({self.log_range})"


MetricQuery: TypeAlias = RangeAggregation | VectorAggregation | BinaryOperation | Literal | VectorLiteral | LabelReplace
"""A query that gives numbers; it can be an operand of another."""

Query: TypeAlias = LogQuery | MetricQuery | Variants
"""Any query."""
