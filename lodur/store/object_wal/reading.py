"""Read objects of a writer's log, whoever asks: a reader that follows it, or the one who adopts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from lodur.kernels.wal import WalProblem, WalRecord, decode_wal_object
from lodur.model.errors import CorruptData
from lodur.store.object_store import ObjectStore
from lodur.store.object_wal.names import object_number, object_path, writer_folder
from lodur.store.settled_reads import read_settled

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReadObject:
    """An object of a log."""

    number: int
    records: tuple[WalRecord, ...]
    is_end: bool = False
    """It is another's: the writer's log ends before it."""
    is_damaged: bool = False
    """Not all of it could be read; that was logged."""


class _DamagedObject(Exception):
    """Not all of an object could be read."""

    def __init__(self, read: ReadObject, problems: CorruptData | Sequence[WalProblem]) -> None:
        super().__init__()
        self.read = read
        self.problems = problems


def read_object(store: ObjectStore, writer_id: str, number: int) -> ReadObject | None:
    """An object of a log; None where there is none. What is damaged in it is logged and left out.

    Raises as `ObjectStore`.
    """
    path = object_path(writer_id, number)
    settled = read_settled(store, path, partial(_decoded, writer_id, number), _DamagedObject)
    if settled is None:
        return None
    _, read = settled
    return _reported(path, read) if isinstance(read, _DamagedObject) else read


def decoded_object(data: bytes, writer_id: str, number: int) -> ReadObject:
    """`read_object` of bytes that are here."""
    path = object_path(writer_id, number)
    try:
        return _decoded(writer_id, number, data, path)
    except _DamagedObject as damaged:
        return _reported(path, damaged)


def _decoded(writer_id: str, number: int, data: bytes, path: str) -> ReadObject:
    """What bytes say. Raises _DamagedObject."""
    try:
        by, records, problems = decode_wal_object(data, Path(path))
    except CorruptData as error:
        raise _DamagedObject(ReadObject(number, (), is_damaged=True), error) from error
    read = ReadObject(number, tuple(records), is_end=by != writer_id, is_damaged=bool(problems))
    if problems:
        raise _DamagedObject(read, problems)
    return read


def _reported(path: str, damaged: _DamagedObject) -> ReadObject:
    """What is left of an object; the damage is logged."""
    if isinstance(damaged.problems, CorruptData):
        _log.error("object of a write-ahead log cannot be read, it is left out", file=path, err=str(damaged.problems))
        return damaged.read
    for problem in damaged.problems:
        _log.error(
            "write-ahead log is damaged", file=path, offset=problem.offset, bytes=problem.bytes, err=problem.message
        )
    return damaged.read


def listed_sizes(store: ObjectStore, writer_id: str) -> dict[int, int]:
    """The sizes of a writer's objects by number, ascending."""
    listed = [(object_number(one.path), one.size_bytes) for one in store.list_objects(writer_folder(writer_id))]
    return {number: size_bytes for number, size_bytes in listed if number is not None}


def listed_numbers(store: ObjectStore, writer_id: str) -> list[int]:
    """The numbers of a writer's objects, ascending."""
    return list(listed_sizes(store, writer_id))
