"""Numbers and times as Loki writes them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodur.model.label_set import LabelSet
from lodur.wire.loki_results import CELLS_AT_ONCE, format_sample, matrix_json, scalar_json, vector_json

NS_PER_MS = 1_000_000


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.0, "2"),
        (0.0000001, "0.0000001"),
        (1e20, "100000000000000000000"),
        (0.023333333333333334, "0.023333333333333334"),
        (-1.5, "-1.5"),
        (math.nan, "NaN"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
    ],
)
def test_samples(value: float, text: str) -> None:
    assert format_sample(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_reads_back_and_has_no_exponent(value: float) -> None:
    assert float(format_sample(value)) == value
    assert re.fullmatch(r"-?[0-9]+(\.[0-9]*[1-9])?", format_sample(value))


@given(st.lists(st.floats(), min_size=1, max_size=4))
def test_vectors_and_matrices_write_the_same_numbers(values: list[float]) -> None:
    labels = [LabelSet.of({"n": str(at)}) for at in range(len(values))]
    vector = json.loads(vector_json(labels, 1_700_000_000_120 * NS_PER_MS, values))
    column = np.array(values).reshape(-1, 1)
    matrix = _loads(matrix_json(labels, [1_700_000_000_120], column, np.ones_like(column, dtype=np.bool_)))
    assert [one["metric"] for one in vector] == [one["metric"] for one in matrix]
    assert [[one["value"]] for one in vector] == [one["values"] for one in matrix]


def test_times_are_seconds_with_up_to_three_decimals() -> None:
    assert scalar_json(1_700_000_000_000 * NS_PER_MS, 1.0) == b'[1700000000,"1"]'
    assert scalar_json(1_700_000_000_120 * NS_PER_MS, 1.0) == b'[1700000000.12,"1"]'
    assert scalar_json(1_700_000_000_001 * NS_PER_MS + 999, 1.0) == b'[1700000000.001,"1"]'


def test_series_without_a_point_are_left_out() -> None:
    labels = [LabelSet.of({"a": "x"}), LabelSet()]
    present = np.array([[False, False], [True, False]])
    assert _loads(matrix_json(labels, [0, 1000], np.ones((2, 2)), present)) == [{"metric": {}, "values": [[0, "1"]]}]


def test_a_large_matrix_comes_in_pieces() -> None:
    times = CELLS_AT_ONCE
    labels = [LabelSet.of({"n": str(at)}) for at in range(4)]
    present = np.zeros((4, times), dtype=np.bool_)
    present[1, 5] = present[3, times - 1] = True
    pieces = list(matrix_json(labels, [at * 1000 for at in range(times)], np.ones((4, times)), present))
    assert len(pieces) == len(["[", "series 1", "series 3", "]"])
    assert _loads(iter(pieces)) == [
        {"metric": {"n": "1"}, "values": [[5, "1"]]},
        {"metric": {"n": "3"}, "values": [[times - 1, "1"]]},
    ]


def _loads(pieces: Iterator[bytes]) -> Any:
    return json.loads(b"".join(pieces))
