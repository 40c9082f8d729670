"""The functions and operators of metric queries, by their written names."""

from __future__ import annotations

from enum import Enum


class RangeOp(Enum):
    """Functions over a window of entries; the value is the written name."""

    COUNT_OVER_TIME = "count_over_time"
    RATE = "rate"
    RATE_COUNTER = "rate_counter"
    BYTES_OVER_TIME = "bytes_over_time"
    BYTES_RATE = "bytes_rate"
    AVG_OVER_TIME = "avg_over_time"
    SUM_OVER_TIME = "sum_over_time"
    MIN_OVER_TIME = "min_over_time"
    MAX_OVER_TIME = "max_over_time"
    STDVAR_OVER_TIME = "stdvar_over_time"
    STDDEV_OVER_TIME = "stddev_over_time"
    QUANTILE_OVER_TIME = "quantile_over_time"
    FIRST_OVER_TIME = "first_over_time"
    LAST_OVER_TIME = "last_over_time"
    ABSENT_OVER_TIME = "absent_over_time"


class VectorOp(Enum):
    """Functions over the series of one instant; the value is the written name."""

    SUM = "sum"
    AVG = "avg"
    COUNT = "count"
    MAX = "max"
    MIN = "min"
    STDDEV = "stddev"
    STDVAR = "stdvar"
    BOTTOMK = "bottomk"
    TOPK = "topk"
    SORT = "sort"
    SORT_DESC = "sort_desc"
    APPROX_TOPK = "approx_topk"


class BinaryOp(Enum):
    """Operators between two metric queries; the value is the written form."""

    OR = "or"
    AND = "and"
    UNLESS = "unless"
    EQUAL = "=="
    NOT_EQUAL = "!="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"
    DIVIDE = "/"
    MODULO = "%"
    POWER = "^"

    @property
    def is_set(self) -> bool:
        return self in (BinaryOp.OR, BinaryOp.AND, BinaryOp.UNLESS)

    @property
    def is_comparison(self) -> bool:
        return self in (
            BinaryOp.EQUAL,
            BinaryOp.NOT_EQUAL,
            BinaryOp.GREATER,
            BinaryOp.GREATER_OR_EQUAL,
            BinaryOp.LESS,
            BinaryOp.LESS_OR_EQUAL,
        )


_BINARY_LEVELS = (
    (BinaryOp.OR,),
    (BinaryOp.AND, BinaryOp.UNLESS),
    tuple(op for op in BinaryOp if op.is_comparison),
    (BinaryOp.ADD, BinaryOp.SUBTRACT),
    (BinaryOp.MULTIPLY, BinaryOp.DIVIDE, BinaryOp.MODULO),
    (BinaryOp.POWER,),
)
BINARY_LEVEL = {op: level for level, ops in enumerate(_BINARY_LEVELS) for op in ops}
"""How tightly an operator binds: the higher, the tighter. All group from the left but `^`."""


class GroupSide(Enum):
    """The side of a vector match that may have many series for one of the other; the value is the written form."""

    LEFT = "group_left"
    RIGHT = "group_right"
