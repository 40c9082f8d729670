from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lodur.model.time_span import TimeSpan

_spans = st.builds(TimeSpan, st.integers(0, 9), st.integers(0, 9))


def test_the_end_lies_outside() -> None:
    span = TimeSpan(10, 20)
    assert span.contains(10)
    assert not span.contains(20)
    assert span.length_ns == 10
    assert TimeSpan(20, 20).is_empty
    assert TimeSpan(20, 10).length_ns == 0


@given(_spans, _spans)
def test_overlap_and_intersection_hold_the_common_instants(left: TimeSpan, right: TimeSpan) -> None:
    common = {ts_ns for ts_ns in range(10) if left.contains(ts_ns) and right.contains(ts_ns)}
    assert left.overlaps(right) is bool(common)
    assert {ts_ns for ts_ns in range(10) if left.intersection(right).contains(ts_ns)} == common
