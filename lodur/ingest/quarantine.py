"""What of the write-ahead log cannot be read, kept beside it when its file is trimmed: for people, never read again.

A record whose payload this build does not understand is kept with a line of JSON before it that says what it is; of a
torn tail, whose last record may have been whole once, the bytes. Files that are damaged elsewhere the WAL itself keeps
as `*.corrupt`. Start at `Quarantine`.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from lodur.model.limits import MIB
from lodur.store.journal import WalProblem, WalRecord

COPY_BYTES = 1 * MIB

TORN_TAIL, UNREADABLE = "torn_tail", "unreadable"


class _RecordFacts(msgspec.Struct):
    seq: int
    tenant: str
    kind: int
    accepted_at_ns: int
    file: str
    offset: int
    reason: str


class Quarantine:
    """A folder of files, named so that what is kept again at each start is one file."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def keep_record(self, record: WalRecord, reason: str) -> Path:
        """Keep a record, durably; where. Raises OSError."""
        facts = _RecordFacts(
            record.seq,
            record.tenant,
            record.kind,
            record.accepted_at_ns,
            str(record.file),
            record.offset,
            reason,
        )
        path = self._directory / f"{record.seq:016x}.record"
        return self._keep(path, [msgspec.json.encode(facts), b"\n", record.payload])

    def is_kept(self, problem: WalProblem) -> bool:
        """Whether what a problem is about outlives the trimming of its file."""
        return problem.kind != UNREADABLE or problem.file.with_name(f"{problem.file.name}.corrupt").exists()

    def keep_tail(self, problem: WalProblem) -> Path | None:
        """Keep the bytes of a torn tail, durably; None for a problem of another kind. Raises OSError."""
        if problem.kind != TORN_TAIL or not problem.bytes:
            return None
        path = self._directory / f"{problem.file.stem}-{problem.offset}.tail"
        parts: list[bytes] = []
        with problem.file.open("rb") as file:
            file.seek(problem.offset)
            left = problem.bytes
            while left and (part := file.read(min(left, COPY_BYTES))):
                parts.append(part)
                left -= len(part)
        return self._keep(path, parts)

    def _keep(self, path: Path, parts: list[bytes]) -> Path:
        if path.exists():
            return path
        self._directory.mkdir(exist_ok=True)
        draft = path.with_name(f".{path.name}")
        with draft.open("wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return path
