"""Follow one path line by line across rotation, truncation and deletion.

A tail is asked again and again (`poll`) and does one small thing each time. What it knows is a path, an open file and
an offset; the beginning of an unfinished line is not kept but read again, so that only the offset has to be right.

    closed ──open──▶ reading ──at the end, and the path names another file or none──▶ leaving
       ▲                │ ▲                                                              │
       │                ▼ │ smaller than the offset, or another beginning: from 0        │
       │              reading                                                            │
       └────────── the path names a file ◀──── old file read to its end once more ───────┘
                                         └──── the path names none ──▶ finished

Where reading starts is told in `_open_saved` and `Ledger.start_of`.
"""

from __future__ import annotations

import os

from lodur.agent.positions import Cursor, Identity
from lodur.agent.sources.file.block import LINE_BYTES_MAX, Block
from lodur.agent.sources.file.ledger import HEAD_BYTES, FileId, Ledger, identify, is_same
from lodur.model.clock import Clock

ROTATION_GRACE_S = 1.0
"""How long a file that lost its name is still read: its writer may not have opened the new one yet."""


class Tail:
    """The reader of one path of plain lines."""

    def __init__(self, path: str, *, start: Cursor | None, ledger: Ledger, clock: Clock, chunk_bytes: int) -> None:
        self.path = path
        self._start = start
        self._ledger = ledger
        self._clock = clock
        self._chunk_bytes = chunk_bytes
        self._descriptor = -1
        self._file_id = FileId(0, 0)
        self._cursor = Cursor(0, None)
        self._size_at_end = -1
        self._skips_line = False
        self._lost_name_at_s: float | None = None
        self._finished = False

    def is_finished(self) -> bool:
        """The path is gone and its last file has been read to the end."""
        return self._finished

    def size_bytes(self) -> int:
        """Size of the open file."""
        return os.fstat(self._descriptor).st_size if self._descriptor >= 0 else 0

    def close(self) -> None:
        """Let go of the file and remember in the ledger how far it was read."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._ledger.release(self._file_id, self.path, self._cursor)

    def poll(self) -> Block | None:
        """The next lines; None when there are none now. Raises OSError when the file cannot be read."""
        if self._finished:
            return None
        if self._descriptor < 0:
            return self._open()
        size = os.fstat(self._descriptor).st_size
        if size < self._cursor.offset or (size != self._size_at_end and not self._has_same_head()):
            return self._restart()
        if size > self._cursor.offset and size != self._size_at_end:
            block = self._read(size)
            if block is not None:
                return block
            self._size_at_end = size
        return self._at_end()

    def _open(self) -> Block | None:
        start, self._start = self._start, None
        descriptor = self._open_saved(start) if start is not None else -1
        if descriptor < 0:
            try:
                descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                self._finished = True
                return None
            offset = self._first_offset(descriptor, start)
        else:
            offset = start.offset if start is not None else 0
        file_id = FileId.of(os.fstat(descriptor))
        if not self._ledger.claim(file_id, self.path):
            os.close(descriptor)
            self._start = start
            return None
        self._descriptor, self._file_id = descriptor, file_id
        self._size_at_end, self._skips_line, self._lost_name_at_s = -1, False, None
        return self._move_to(offset)

    def _open_saved(self, start: Cursor) -> int:
        """Open the file that `start` belongs to where it has got another name beside this path; else -1."""
        identity = start.identity
        if identity is None or self._names(identity):
            return -1
        try:
            with os.scandir(os.path.dirname(self.path)) as entries:
                siblings = [entry.path for entry in entries if entry.inode() == identity.inode]
        except OSError:
            return -1
        for sibling in siblings:
            try:
                descriptor = os.open(sibling, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                continue
            stat = os.fstat(descriptor)
            is_ours = is_same(descriptor, identity) and start.offset <= stat.st_size
            if is_ours and self._ledger.claim(FileId.of(stat), self.path):
                return descriptor
            os.close(descriptor)
        return -1

    def _names(self, identity: Identity) -> bool:
        now = FileId.at(self.path)
        return now is not None and now.inode == identity.inode

    def _first_offset(self, descriptor: int, start: Cursor | None) -> int:
        if start is not None and (start.identity is None or is_same(descriptor, start.identity)):
            offset = start.offset
        else:
            offset = self._ledger.start_of(descriptor, self.path)
        return offset if offset <= os.fstat(descriptor).st_size else 0

    def _has_same_head(self) -> bool:
        identity = self._cursor.identity
        return identity is None or is_same(self._descriptor, identity)

    def _restart(self) -> Block:
        self._size_at_end, self._skips_line = -1, False
        return self._move_to(0)

    def _move_to(self, offset: int) -> Block:
        self._cursor = Cursor(offset, identify(self._descriptor, offset))
        return Block(b"", 0, False, self._cursor)

    def _read(self, size: int) -> Block | None:
        """Lines from the cursor up to `size`; None when there is only the beginning of one."""
        offset = self._cursor.offset
        want = self._chunk_bytes
        while True:
            data = os.pread(self._descriptor, min(want, size - offset), offset)
            end = data.rfind(b"\n") + 1
            if self._skips_line:
                return self._skip(data)
            if end:
                return self._advance(data[:end], end, is_final=False)
            if len(data) >= LINE_BYTES_MAX:
                self._skips_line = True
                return self._advance(data[:LINE_BYTES_MAX], LINE_BYTES_MAX, is_final=True)
            if not data or offset + len(data) >= size:
                return None
            want = min(want * 2, LINE_BYTES_MAX)

    def _skip(self, data: bytes) -> Block | None:
        """Drop the rest of an overlong line."""
        if not data:
            return None
        end = data.find(b"\n") + 1
        self._skips_line = end == 0
        return self._advance(b"", end or len(data), is_final=False, cut_bytes=(end - 1) if end else len(data))

    def _advance(self, data: bytes, length: int, *, is_final: bool, cut_bytes: int = 0) -> Block:
        offset = self._cursor.offset + length
        self._cursor = Cursor(offset, self._identity_at(offset))
        return Block(data, data.count(b"\n") + is_final, is_final, self._cursor, cut_bytes)

    def _at_end(self) -> Block | None:
        if FileId.at(self.path) == self._file_id:
            self._lost_name_at_s = None
            return None
        now_s = self._clock.monotonic_s()
        if self._lost_name_at_s is None:
            self._lost_name_at_s = now_s
        if now_s - self._lost_name_at_s < ROTATION_GRACE_S:
            return None
        rest = os.pread(self._descriptor, LINE_BYTES_MAX, self._cursor.offset)
        if rest and not self._skips_line:
            return self._advance(rest, len(rest), is_final=not rest.endswith(b"\n"))
        self.close()
        return self._open()

    def _identity_at(self, offset: int) -> Identity:
        identity = self._cursor.identity
        if identity is not None and identity.head_bytes == HEAD_BYTES:
            return identity
        return identify(self._descriptor, offset)
