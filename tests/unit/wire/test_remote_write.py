"""Samples as Prometheus' remote write has them."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from lodur.model.label_set import LabelSet
from lodur.wire.remote_write import STALE, Sample, encode_write_request, snappy_compress
from tests.servers.receiver import snappy_plain, written_samples

LABELS = st.dictionaries(st.text(max_size=200), st.text(max_size=200), max_size=4).map(LabelSet.of)
SAMPLES = st.builds(Sample, LABELS, st.integers(0, 2**62), st.floats(allow_nan=False))


@given(st.lists(SAMPLES, max_size=5))
def test_what_is_encoded_is_read_back(samples: list[Sample]) -> None:
    body = snappy_plain(snappy_compress(encode_write_request(samples)))
    expected = [(dict(one.labels.pairs), one.time_ms, one.value) for one in samples]
    assert list(written_samples(body)) == expected


def test_bytes_of_a_request() -> None:
    request = encode_write_request([Sample(LabelSet.of({"a": "b"}), 300, 1.0)])
    assert request.hex() == "0a160a060a0161120162120c09000000000000f03f10ac02"


def test_the_end_of_a_series_has_bits_of_its_own() -> None:
    assert math.isnan(STALE)
    assert bytes.fromhex("09020000000000f07f") in encode_write_request([Sample(LabelSet(), 1, STALE)])
    assert bytes.fromhex("09020000000000f07f") not in encode_write_request([Sample(LabelSet(), 1, math.nan)])


def test_requests_put_together_are_a_request() -> None:
    one, two = Sample(LabelSet.of({"a": "1"}), 1, 1.0), Sample(LabelSet.of({"a": "2"}), 2, 2.0)
    assert encode_write_request([one]) + encode_write_request([two]) == encode_write_request([one, two])
