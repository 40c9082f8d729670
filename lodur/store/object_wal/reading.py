"""Read objects of a writer's log, whoever asks: a reader that follows it, or the one who adopts it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import structlog

from lodur.kernels.wal import WalRecord, decode_wal_object
from lodur.model.errors import CorruptData
from lodur.store.object_store import ObjectStore
from lodur.store.object_wal.names import object_number, object_path, writer_folder

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


def read_object(store: ObjectStore, writer_id: str, number: int) -> ReadObject | None:
    """An object of a log; None where there is none. What is damaged in it is logged and left out.

    Raises as `ObjectStore`.
    """
    found = store.get(object_path(writer_id, number))
    return None if found is None else decoded_object(found.data, writer_id, number)


def decoded_object(data: bytes, writer_id: str, number: int) -> ReadObject:
    """`read_object` of bytes that are here."""
    path = object_path(writer_id, number)
    try:
        by, records, problems = decode_wal_object(data, Path(path))
    except CorruptData as error:
        _log.error("object of a write-ahead log cannot be read, it is left out", file=path, err=str(error))
        return ReadObject(number, (), is_damaged=True)
    for problem in problems:
        _log.error(
            "write-ahead log is damaged", file=path, offset=problem.offset, bytes=problem.bytes, err=problem.message
        )
    return ReadObject(number, tuple(records), is_end=by != writer_id, is_damaged=bool(problems))


def listed_sizes(store: ObjectStore, writer_id: str) -> dict[int, int]:
    """The sizes of a writer's objects by number, ascending."""
    listed = [(object_number(one.path), one.size_bytes) for one in store.list_objects(writer_folder(writer_id))]
    return {number: size_bytes for number, size_bytes in listed if number is not None}


def listed_numbers(store: ObjectStore, writer_id: str) -> list[int]:
    """The numbers of a writer's objects, ascending."""
    return list(listed_sizes(store, writer_id))
