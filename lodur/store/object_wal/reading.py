"""Read objects of a writer's log, whoever asks: a reader that follows it, or the one who adopts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from lodur.kernels.wal import WalProblem, WalRecord, decode_wal_object
from lodur.model.errors import CorruptData, Unavailable
from lodur.store.object_store import ObjectStore
from lodur.store.object_wal.names import object_number, object_path, writer_folder
from lodur.store.summed_json import READ_ATTEMPTS_MAX

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
    path = object_path(writer_id, number)
    for _ in range(READ_ATTEMPTS_MAX):
        found = store.get(path)
        if found is None:
            return None
        read, problems = _decoded(found.data, writer_id, number)
        if read.is_damaged:
            # What came damaged over the network only is whole when it is read again.
            again = store.get(path)
            if again is None or again.data != found.data:
                continue
            _report(path, problems)
        return read
    raise Unavailable(f"{path}: {READ_ATTEMPTS_MAX} attempts to read met with damage")


def decoded_object(data: bytes, writer_id: str, number: int) -> ReadObject:
    """`read_object` of bytes that are here."""
    read, problems = _decoded(data, writer_id, number)
    _report(object_path(writer_id, number), problems)
    return read


def _decoded(data: bytes, writer_id: str, number: int) -> tuple[ReadObject, CorruptData | Sequence[WalProblem]]:
    """What bytes say, and what is wrong with them."""
    try:
        by, records, problems = decode_wal_object(data, Path(object_path(writer_id, number)))
    except CorruptData as error:
        return ReadObject(number, (), is_damaged=True), error
    return ReadObject(number, tuple(records), is_end=by != writer_id, is_damaged=bool(problems)), problems


def _report(path: str, problems: CorruptData | Sequence[WalProblem]) -> None:
    if isinstance(problems, CorruptData):
        _log.error("object of a write-ahead log cannot be read, it is left out", file=path, err=str(problems))
        return
    for problem in problems:
        _log.error(
            "write-ahead log is damaged", file=path, offset=problem.offset, bytes=problem.bytes, err=problem.message
        )


def listed_sizes(store: ObjectStore, writer_id: str) -> dict[int, int]:
    """The sizes of a writer's objects by number, ascending."""
    listed = [(object_number(one.path), one.size_bytes) for one in store.list_objects(writer_folder(writer_id))]
    return {number: size_bytes for number, size_bytes in listed if number is not None}


def listed_numbers(store: ObjectStore, writer_id: str) -> list[int]:
    """The numbers of a writer's objects, ascending."""
    return list(listed_sizes(store, writer_id))
