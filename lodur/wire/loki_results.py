"""Results of metric queries as Loki's JSON: the `result` member of matrices, vectors and scalars."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal

import numpy as np
import orjson
from numpy.typing import NDArray

from lodur.kernels.scan import encode_matrix
from lodur.model.durations import NS_PER_MS
from lodur.model.label_set import LabelSet

_MS_PER_S = 1000

CELLS_AT_ONCE = 2**18
"""Samples that are written in one go: some ten milliseconds, and as many MB."""


def matrix_json(
    labels: Sequence[LabelSet], times_ms: list[int], values: NDArray[np.float64], present: NDArray[np.bool_]
) -> Iterator[bytes]:
    """The array of series with their points, in pieces; series without any are left out."""
    rows = max(1, CELLS_AT_ONCE // max(1, len(times_ms)))
    yield b"["
    comma = b""
    for first in range(0, len(labels), rows):
        some = slice(first, first + rows)
        part = encode_matrix(
            [list(one) for one in labels[some]],
            times_ms,
            np.ascontiguousarray(values[some]),
            np.ascontiguousarray(present[some]),
        )
        if len(part) > len(b"[]"):
            yield comma + part[1:-1]
            comma = b","
    yield b"]"


def vector_json(labels: Sequence[LabelSet], time_ns: int, values: Sequence[float]) -> bytes:
    """The array of series with one value each."""
    at = sample_seconds(time_ns)
    return orjson.dumps(
        [
            {"metric": {_text(name): _text(value) for name, value in one}, "value": [at, format_sample(value)]}
            for one, value in zip(labels, values, strict=True)
        ]
    )


def scalar_json(time_ns: int, value: float) -> bytes:
    """A single value with its time."""
    return orjson.dumps([sample_seconds(time_ns), format_sample(value)])


def format_sample(value: float) -> str:
    """The shortest decimal that reads back as `value`, never with an exponent; `NaN`, `+Inf`, `-Inf`."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = format(Decimal(repr(value)), "f")
    return text.removesuffix(".0")


def sample_seconds(time_ns: int) -> int | float:
    """Seconds with up to three decimals."""
    seconds, ms = divmod(time_ns // NS_PER_MS, _MS_PER_S)
    return seconds + ms / _MS_PER_S if ms else seconds


def _text(text: str) -> str:
    """Text that JSON can hold: bytes that are not UTF-8 become U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
