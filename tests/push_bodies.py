"""Bodies of pushes, made byte by byte without the product's own encoder, so that they can be wrong on purpose."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Entry: TypeAlias = tuple[int, str, Mapping[str, str]]
"""Timestamp in nanoseconds, line, structured metadata."""

SNAPPY_LITERAL_MAX = 65_536
"""Bytes that a two-byte literal length reaches."""


def varint(value: int) -> bytes:
    """A protobuf varint; negative numbers as 64 bits in two's complement."""
    value &= 2**64 - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number_field(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def bytes_field(field: int, value: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(value)) + value


def entry_message(seconds: int, nanos: int, line: bytes, metadata: Sequence[tuple[bytes, bytes]] = ()) -> bytes:
    """An `EntryAdapter`."""
    pairs = b"".join(bytes_field(3, bytes_field(1, name) + bytes_field(2, value)) for name, value in metadata)
    time = number_field(1, seconds) + number_field(2, nanos)
    return bytes_field(1, time) + bytes_field(2, line) + pairs


def stream_message(labels: bytes, *entries: bytes) -> bytes:
    """A `StreamAdapter` of ready entries."""
    return bytes_field(1, labels) + b"".join(bytes_field(2, entry) for entry in entries)


def push_message(*streams: bytes) -> bytes:
    """A `PushRequest` of ready streams."""
    return b"".join(bytes_field(1, stream) for stream in streams)


def snappy(data: bytes) -> bytes:
    """A snappy block of literals only: nothing gets smaller, but every decoder reads it."""
    out = bytearray(varint(len(data)))
    for at in range(0, len(data), SNAPPY_LITERAL_MAX):
        part = data[at : at + SNAPPY_LITERAL_MAX]
        out += bytes([61 << 2]) + (len(part) - 1).to_bytes(2, "little") + part
    return bytes(out)


def json_push(streams: Sequence[tuple[Mapping[str, str], Sequence[Entry]]]) -> bytes:
    """A JSON body."""
    return json.dumps(
        {
            "streams": [
                {
                    "stream": dict(labels),
                    "values": [[str(ts_ns), line, *([dict(more)] if more else [])] for ts_ns, line, more in entries],
                }
                for labels, entries in streams
            ]
        }
    ).encode()
