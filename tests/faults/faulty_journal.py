"""A write-ahead log on a disk that fills up, and that the process dies beside.

What a disk does whose sync fails is tested where the log is written, in `rust/lodur-kernels/src/wal/tests`.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

from lodur.model.errors import Unavailable
from lodur.store.journal import Wal, WalOptions, WalProblem, WalRecord
from tests.compacting_node import Crash

FILE_MAX_BYTES = 1500
"""Some pushes: files begin and are trimmed all the time."""


@contextmanager
def no_room(file_max_bytes: int) -> Iterator[None]:
    """No file of this process grows beyond so many bytes: what would is written in part, then refused."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_max_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class FaultyJournal:
    """The log of one process. `crash_percent` of the appends are its last act."""

    def __init__(self, directory: Path, chance: Random, crash_percent: float) -> None:
        self._directory = directory
        self._chance = chance
        self.crash_percent = crash_percent
        self._wal = Wal.open(WalOptions(path=directory, max_file_bytes=FILE_MAX_BYTES))
        self._torn: tuple[Path, int] | None = None
        self.is_dead = False

    @property
    def writer_id(self) -> str:
        return self._wal.writer_id

    def append(self, tenant: str, kind: int, accepted_at_ns: int, payload: bytes) -> int:
        if self.is_dead:
            raise Crash
        dies = self._chance.random() * 100 < self.crash_percent
        before = {file: file.stat().st_size for file in self._directory.glob("*.wal")} if dies else {}
        number = self._wal.append(tenant, kind, accepted_at_ns, payload)
        if not dies:
            return number
        newest = max(self._directory.glob("*.wal"))
        written = newest.stat().st_size
        # Of what was not answered, any part may be on the disk.
        self._torn = (newest, self._chance.randint(before.get(newest, HEADER_BYTES), written))
        self.is_dead = True
        raise Crash

    def replay(self) -> Iterator[list[WalRecord]]:
        return self._wal.replay()

    def replay_bytes(self) -> int:
        return self._wal.replay_bytes()

    def problems(self) -> list[WalProblem]:
        return self._wal.problems()

    def trim(self, up_to_seq: int) -> int:
        if self.is_dead:
            raise Crash
        if self.crash_percent and self._chance.random() < TRIM_FAILS:
            raise Unavailable("the log cannot be trimmed")
        return self._wal.trim(up_to_seq)

    def check_room(self) -> None:
        """An append never waits."""

    def committed(self, tenant: str, days: Sequence[int]) -> None:
        """Nobody else reads the log."""

    def close(self) -> None:
        """The process has ended, in whatever way."""
        self._wal.close()
        if self._torn is not None:
            file, length = self._torn
            with file.open("ab") as torn:
                torn.truncate(length)
            self._torn = None


HEADER_BYTES = 72
"""Of a file, synced before its first record is written."""

TRIM_FAILS = 0.05
