"""The disk write-ahead log: pushes of all tenants, durable before they are answered.

What a payload means, and when its record may be trimmed, is the store's affair. Start at `Wal.open`; read back with
`Wal.replay`. Format: docs/formats/wal.md. A group of records as one object of a store has the same form
(`encode_wal_object`, `decode_wal_object`; docs/formats/object-wal.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lodur.kernels._native import (  # noqa: TID251 - this is the typed face
    WalProblem,
    WalRecord,
    WalStats,
    WalWriter,
    decode_wal_object,
    encode_wal_object,
)

__all__ = [
    "Wal",
    "WalOptions",
    "WalProblem",
    "WalRecord",
    "WalStats",
    "decode_wal_object",
    "encode_wal_object",
]

REPLAY_BATCH_BYTES = 8 << 20
"""Payloads held at once during replay: enough to pay for the call, little beside the head that they fill."""


@dataclass(frozen=True, slots=True)
class WalOptions:
    """`path` is the directory; a file that would pass `max_file_bytes` is followed by a new one; a group of appends
    that share a sync has at most `max_group_bytes` (or one record)."""

    path: Path
    max_file_bytes: int = 64 << 20
    max_group_bytes: int = 16 << 20


class Wal:
    """The one writer of a directory. All methods block and may be called from any thread."""

    def __init__(self, writer: WalWriter) -> None:
        self._writer = writer

    @classmethod
    def open(cls, options: WalOptions) -> Wal:
        """Take the directory, making it if missing.

        Raises Unavailable where another process holds it, CorruptData for a version that this build does not know.
        """
        return cls(
            WalWriter.open(options.path, max_file_bytes=options.max_file_bytes, max_group_bytes=options.max_group_bytes)
        )

    @property
    def writer_id(self) -> str:
        """A UUID made with the directory: with it a record's number is unique among all writers."""
        return self._writer.writer_id

    def append(self, tenant: str, kind: int, accepted_at_ns: int, payload: bytes | bytearray | memoryview) -> int:
        """Return the record's number once it is durable; raises Unavailable where it could not be made so."""
        return self._writer.append(tenant, kind, accepted_at_ns, payload)

    def replay(self, batch_bytes: int = REPLAY_BATCH_BYTES) -> Iterator[list[WalRecord]]:
        """What the directory held at opening, once, by ascending number; then `problems` is complete."""
        while batch := self._writer.replay_batch(batch_bytes):
            yield batch

    def replay_bytes(self) -> int:
        """How many bytes the directory held at opening; asked before anything is appended or trimmed."""
        return self._writer.stats().bytes

    def problems(self) -> list[WalProblem]:
        """What replay found wrong so far; damaged files stay beside the others as `*.corrupt`."""
        return self._writer.replay_problems()

    def trim(self, up_to_seq: int) -> int:
        """Delete the files of which every record has a number up to `up_to_seq`; how many.

        The caller answers for every acknowledged record up to there, also for those not yet in a head.
        """
        return self._writer.trim(up_to_seq)

    def check_room(self) -> None:
        """A disk is either there or not: an append says so."""

    def committed(self, tenant: str, days: Sequence[int]) -> None:
        """Nobody else reads a log on disk."""

    def stats(self) -> WalStats:
        """Sizes of the directory, counts since opening."""
        return self._writer.stats()

    def close(self) -> None:
        """Wait for the appends under way, then let the directory go. Closing twice does nothing."""
        self._writer.close()
