"""What `lodur push` reads: files and standard input, decompressed, cut into batches at line ends.

Cutting and encoding is one call of the kernel for each batch; no line is ever an object here. Start at `read_batches`.
"""

from __future__ import annotations

import gzip
import os
import select
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from lodur.model.clock import Clock
from lodur.model.errors import InvalidRequest
from lodur.model.label_set import LabelSet

BATCH_BYTES = 2**20
"""Raw bytes of a request, as agents send them; far below what any server refuses as too large."""

LINE_BYTES_MAX = 16 * 2**20
"""A line above this is no log line: servers commonly refuse lines above 256 KiB, and memory must stay bounded."""

LINE_STEP_NS = 1
"""Lines of a file get ascending timestamps this far apart, so that they keep their order."""

STDIN_WAIT_S = 1.0
"""Lines that come slowly are sent after this long even though the batch is not full."""

GZIP_MAGIC = b"\x1f\x8b"


class EncodedLines(Protocol):
    """A request body and what of the chunk it holds."""

    @property
    def body(self) -> bytes: ...
    @property
    def lines(self) -> int: ...
    @property
    def consumed(self) -> int: ...


class EncodeLines(Protocol):
    """The shape of `lodur.wire.push_lines.push_of_lines`."""

    def __call__(self, chunk: bytes, *, labels: LabelSet, ts_ns: int, ts_step_ns: int, final: bool) -> EncodedLines: ...


class ByteReader(Protocol):
    """Gives up to `size` bytes, fewer where no more have come yet, none at the end."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Batch:
    """One request's worth of lines."""

    body: bytes
    lines: int
    raw_bytes: int


@dataclass(frozen=True, slots=True)
class Source:
    """A file, or standard input, with the labels of its stream."""

    name: str
    labels: LabelSet
    reader: ByteReader
    raw: BinaryIO | None
    """The file itself, whose position is the progress; None for standard input."""

    def read_bytes(self) -> int:
        """How much of the file itself was read."""
        return self.raw.tell() if self.raw is not None else 0

    def close(self) -> None:
        """Close the file; standard input is not ours to close."""
        if self.raw is not None:
            self.raw.close()


class LineClock:
    """Gives batches the time of their arrival, never going back: each line has a timestamp of its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next_ns = 0

    def peek_ns(self) -> int:
        """The timestamp of the next line."""
        self._next_ns = max(self._next_ns, self._clock.now_ns())
        return self._next_ns

    def take(self, lines: int) -> None:
        """Say that so many lines have theirs."""
        self._next_ns += lines * LINE_STEP_NS


class PipeReader:
    """Reads a pipe in large pieces without making slow lines wait."""

    def __init__(self, descriptor: int, clock: Clock, *, wait_s: float = STDIN_WAIT_S) -> None:
        self._descriptor = descriptor
        self._clock = clock
        self._wait_s = wait_s

    def read(self, size: int, /) -> bytes:
        """Wait for the first bytes as long as it takes, then for more until there are `size` or `wait_s` is over."""
        pieces = [os.read(self._descriptor, size)]
        got = len(pieces[0])
        deadline_s = self._clock.monotonic_s() + self._wait_s
        while pieces[-1] and got < size:
            left_s = deadline_s - self._clock.monotonic_s()
            if left_s <= 0 or not select.select([self._descriptor], [], [], left_s)[0]:
                break
            pieces.append(os.read(self._descriptor, size - got))
            got += len(pieces[-1])
        return b"".join(pieces)


def open_file(path: Path, labels: LabelSet) -> Source:
    """Open a file; one that begins as gzip does is decompressed as it is read."""
    raw = path.open("rb")
    compressed = raw.peek(len(GZIP_MAGIC)).startswith(GZIP_MAGIC)
    reader = cast("ByteReader", gzip.GzipFile(fileobj=raw) if compressed else raw)
    return Source(str(path), labels, reader, raw)


def open_stdin(stream: BinaryIO, labels: LabelSet, clock: Clock) -> Source:
    """Read standard input as it comes."""
    return Source("standard input", labels, PipeReader(stream.fileno(), clock), None)


def read_batches(source: Source, encode: EncodeLines, times: LineClock) -> Iterator[Batch]:
    """Yield the source's lines in requests of about a MiB; raises InvalidRequest where it cannot be read as lines."""
    chunk = b""
    offset = 0
    while True:
        piece = _read(source, max(BATCH_BYTES - len(chunk), BATCH_BYTES // 2))
        chunk += piece
        if not chunk:
            return
        encoded = encode(chunk, labels=source.labels, ts_ns=times.peek_ns(), ts_step_ns=LINE_STEP_NS, final=not piece)
        times.take(encoded.lines)
        if encoded.lines:
            yield Batch(encoded.body, encoded.lines, encoded.consumed)
        if not piece:
            return
        chunk = chunk[encoded.consumed :]
        offset += encoded.consumed
        if len(chunk) > LINE_BYTES_MAX:
            raise InvalidRequest(
                f"{source.name}: the line at byte {offset} is longer than {LINE_BYTES_MAX} bytes; is this a log file?"
            )


def _read(source: Source, size: int) -> bytes:
    try:
        return source.reader.read(size)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidRequest(f"{source.name} cannot be read: {error}") from error
