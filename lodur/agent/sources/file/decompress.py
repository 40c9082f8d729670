"""Read one compressed file once, line by line.

The cursor counts lines, as Promtail's does. A file that ends too early or is damaged gives its readable lines and is
looked at again when it has changed (`FileSource` asks `has_changed`).
"""

from __future__ import annotations

import bz2
import os
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Protocol, assert_never

import structlog

from lodur.agent.positions import Cursor, Identity
from lodur.agent.sources.file.block import LINE_BYTES_MAX, Block
from lodur.agent.sources.file.ledger import HEAD_BYTES, FileId, Ledger, identify, is_same
from lodur.agent.sources.file.options import Compression
from lodur.model.clock import Clock
from lodur.model.errors import CorruptData

_INPUT_BYTES = 256 * 2**10
"""Compressed bytes read at a time."""

_BLOCKS_PER_POLL = 16
"""Blocks without a line to send (skipped, or part of a long line) after which other files have their turn."""

_log = structlog.get_logger(__name__)


class CompressedReader:
    """The reader of one path whose file is read through a decompressor."""

    def __init__(
        self,
        path: str,
        *,
        start: Cursor | None,
        ledger: Ledger,
        clock: Clock,
        compression: Compression,
        initial_delay_s: float,
        chunk_bytes: int,
    ) -> None:
        self.path = path
        self._start = start
        self._ledger = ledger
        self._clock = clock
        self._compression = compression
        self._chunk_bytes = chunk_bytes
        self._open_at_s = clock.monotonic_s() + initial_delay_s
        self._file: BinaryIO | None = None
        self._blocks: Iterator[bytes] = iter(())
        self._file_id = FileId(0, 0)
        self._identity = Identity(0, 0, 0)
        self._size = 0
        self._lines = 0
        self._lines_to_skip = 0
        self._rest = b""
        self._skips_line = False
        self._finished = False

    def is_finished(self) -> bool:
        """The file has been read to its end, or to the place where it is damaged."""
        return self._finished

    def size_bytes(self) -> int:
        """Size of the compressed file."""
        return self._size

    def has_changed(self) -> bool:
        """After the end: the path names another file, or the file has grown."""
        try:
            now = os.stat(self.path)
        except OSError:
            return False
        return FileId.of(now) != self._file_id or now.st_size != self._size

    def close(self) -> None:
        """Let go of the file and remember in the ledger how many lines it gave."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._ledger.release(self._file_id, self.path, self._cursor())

    def poll(self) -> Block | None:
        """The next lines; None when it is too early, or the end has been reached."""
        if self._finished or self._clock.monotonic_s() < self._open_at_s:
            return None
        if self._file is None:
            return self._open()
        for _ in range(_BLOCKS_PER_POLL):
            try:
                data = next(self._blocks, None)
            except (CorruptData, OSError) as error:
                _log.error("compressed file is damaged", path=self.path, lines=self._lines, error=str(error))
                return self._finish(b"")
            if data is None:
                return self._finish(b"" if self._skips_line else self._rest)
            block = self._take(data)
            if block is not None:
                return block
        return Block(b"", 0, False, self._cursor())

    def _open(self) -> Block | None:
        try:
            file = open(self.path, "rb")  # noqa: SIM115 (stays open between polls)
        except FileNotFoundError:
            self._finished = True
            return None
        stat = os.fstat(file.fileno())
        if not self._ledger.claim(FileId.of(stat), self.path):
            file.close()
            return None
        start = self._start
        if start is not None and (start.identity is None or is_same(file.fileno(), start.identity)):
            self._lines_to_skip = start.offset
        else:
            self._lines_to_skip = self._ledger.start_of(file.fileno(), self.path)
        self._file, self._file_id, self._size = file, FileId.of(stat), stat.st_size
        self._identity = identify(file.fileno(), HEAD_BYTES)
        self._lines = self._lines_to_skip
        self._blocks = decompress(file, self._compression, self._chunk_bytes)
        return Block(b"", 0, False, self._cursor())

    def _cursor(self) -> Cursor:
        return Cursor(self._lines, self._identity)

    def _take(self, data: bytes) -> Block | None:
        if self._skips_line:
            cut = data.find(b"\n") + 1
            self._skips_line = cut == 0
            data = data[cut:] if cut else b""
        if self._lines_to_skip:
            data = self._drop_sent(data)
        data = self._rest + data
        end = data.rfind(b"\n") + 1
        self._rest = data[end:]
        if end:
            return self._block(data[:end], is_final=False)
        if len(self._rest) >= LINE_BYTES_MAX:
            line, cut_bytes = self._rest[:LINE_BYTES_MAX], len(self._rest) - LINE_BYTES_MAX
            self._rest, self._skips_line = b"", True
            return self._block(line, is_final=True, cut_bytes=cut_bytes)
        return None

    def _drop_sent(self, data: bytes) -> bytes:
        """Drop lines that were sent before; `data` may begin within one of them."""
        count = data.count(b"\n")
        if count < self._lines_to_skip:
            self._lines_to_skip -= count
            return b""
        place = _end_of_line(data, self._lines_to_skip)
        self._lines_to_skip = 0
        return data[place:]

    def _finish(self, rest: bytes) -> Block | None:
        self._finished = True
        if self._lines_to_skip:
            rest = b""
        block = self._block(rest, is_final=True) if rest else None
        self.close()
        return block

    def _block(self, data: bytes, *, is_final: bool, cut_bytes: int = 0) -> Block:
        lines = data.count(b"\n") + is_final
        self._lines += lines
        return Block(data, lines, is_final, self._cursor(), cut_bytes)


def _end_of_line(data: bytes, number: int) -> int:
    """The place behind the `number`th newline, found by halving: no step per line."""
    low, high = 0, len(data)
    while low < high:
        middle = (low + high) // 2
        if data.count(b"\n", 0, middle) >= number:
            high = middle
        else:
            low = middle + 1
    return low


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def step(self, data: bytes, limit: int) -> bytes: ...
    def has_more(self) -> bool: ...


class _Zlib:
    def __init__(self, window_bits: int) -> None:
        self._inner = zlib.decompressobj(window_bits)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def step(self, data: bytes, limit: int) -> bytes:
        out = self._inner.decompress(self._inner.unconsumed_tail + data, limit)
        self._full = len(out) >= limit
        return out

    def has_more(self) -> bool:
        return bool(self._inner.unconsumed_tail) or self._full


class _Bzip2:
    def __init__(self) -> None:
        self._inner = bz2.BZ2Decompressor()

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def step(self, data: bytes, limit: int) -> bytes:
        return self._inner.decompress(data, limit)

    def has_more(self) -> bool:
        return not self._inner.needs_input


def _start(compression: Compression) -> _Decompressor:
    match compression:
        case Compression.GZIP:
            return _Zlib(16 + zlib.MAX_WBITS)
        case Compression.ZLIB:
            return _Zlib(zlib.MAX_WBITS)
        case Compression.BZIP2:
            return _Bzip2()
        case _:
            assert_never(compression)


def decompress(file: BinaryIO, compression: Compression, block_bytes: int) -> Iterator[bytes]:
    """Blocks of at most `block_bytes`, over all members of the file. Raises CorruptData for damage or an early end."""
    stream = _start(compression)
    waiting = b""
    while True:
        if stream.eof:
            waiting = stream.unused_data
            waiting = waiting.lstrip(b"\0") or file.read(_INPUT_BYTES).lstrip(b"\0")
            if not waiting:
                return
            stream = _start(compression)
        elif not waiting and not stream.has_more():
            waiting = file.read(_INPUT_BYTES)
            if not waiting:
                raise CorruptData("compressed data ends before its end marker")
        try:
            block = stream.step(waiting, block_bytes)
        except (zlib.error, OSError) as error:
            raise CorruptData(f"compressed data is damaged: {error}") from error
        waiting = b""
        if block:
            yield block
