"""Prometheus remote write 0.1.0: samples as `prometheus.WriteRequest`, protobuf and snappy.

Requests may be put together by putting their bytes one after the other. Start at `encode_write_request`.
Specification: https://prometheus.io/docs/specs/prw/remote_write_spec/.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from lodur.kernels.push_encode import snappy_compress
from lodur.model.label_set import LabelSet

__all__ = ["HEADERS", "STALE", "Sample", "encode_write_request", "snappy_compress"]

HEADERS = (
    ("Content-Type", "application/x-protobuf"),
    ("Content-Encoding", "snappy"),
    ("X-Prometheus-Remote-Write-Version", "0.1.0"),
)

STALE: float = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
"""Stands for the end of a series: a NaN of its own bits, which Python keeps as long as nothing computes with it."""

_STALE_BITS = struct.pack("<Q", 0x7FF0000000000002)


@dataclass(frozen=True, slots=True)
class Sample:
    """A value of a series."""

    labels: LabelSet
    time_ms: int
    value: float


def encode_write_request(samples: Iterable[Sample]) -> bytes:
    """The request with a series for each sample, not compressed."""
    parts: list[bytes] = []
    for sample in samples:
        body = b"".join(_field(1, _label(name, value)) for name, value in sample.labels) + _field(2, _sample(sample))
        parts.append(_field(1, body))
    return b"".join(parts)


def _label(name: str, value: str) -> bytes:
    return _field(1, _utf8(name)) + _field(2, _utf8(value))


def _sample(sample: Sample) -> bytes:
    # Some machines quieten the NaN on its way through a register.
    bits = _STALE_BITS if sample.value is STALE else struct.pack("<d", sample.value)
    return b"\x09" + bits + b"\x10" + _varint(sample.time_ms & (2**64 - 1))


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").encode()


def _field(number: int, body: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
