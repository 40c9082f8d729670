"""Which ranges share a request."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lodur.store.range_merging import GAP_BYTES, GAP_MAX_BYTES, cut, merged_reads

DATA = bytes(index % 251 for index in range(1 << 20))


def spans(*ranges: tuple[int, int]) -> list[tuple[int, int]]:
    return [(read.offset, read.length) for read in merged_reads(ranges)]


def test_near_ranges_share_a_request() -> None:
    assert spans() == []
    assert spans((0, 10), (10 + GAP_BYTES, 5)) == [(0, 15 + GAP_BYTES)]
    assert spans((11 + GAP_BYTES, 5), (0, 10)) == [(0, 10), (11 + GAP_BYTES, 5)]


def test_large_ranges_are_fetched_with_more_between_them() -> None:
    large = 2 * GAP_MAX_BYTES
    assert len(spans((0, large), (large + GAP_MAX_BYTES, 1))) == 1
    assert len(spans((0, large), (large + GAP_MAX_BYTES + 1, 1))) == 2
    assert len(spans((0, 100_000), (200_000, 1))) == 1
    assert len(spans((0, 99_999), (200_000, 1))) == 2


@given(st.lists(st.tuples(st.integers(0, len(DATA) - 5000), st.integers(1, 5000)), max_size=30))
def test_every_range_is_cut_out_of_its_request(ranges: list[tuple[int, int]]) -> None:
    reads = merged_reads(ranges)
    parts = [DATA[read.offset : read.offset + read.length] for read in reads]
    assert cut(reads, parts, ranges) == [DATA[offset : offset + length] for offset, length in ranges]
    assert sorted(place for read in reads for place in read.wanted) == list(range(len(ranges)))
    ends = [read.offset + read.length for read in reads]
    assert all(after.offset > end for end, after in zip(ends, reads[1:], strict=False))
