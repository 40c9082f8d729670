"""Where the objects of the WAL lie, and how their numbers and those of records belong together."""

from __future__ import annotations

import uuid

LOGS = "wal"

LEASES = f"{LOGS}/leases"
"""One small object for each writer; outside the writers' folders, so that one listing shows all writers."""

RECORDS_BITS = 20

RECORDS_MAX = 1 << RECORDS_BITS
"""Records of an object; its number, shifted by as many bits, is the number of its first record."""

FIRST_NUMBER = 1

_NUMBER_DIGITS = 16


def writer_folder(writer_id: str) -> str:
    return f"{LOGS}/{writer_id}"


def object_path(writer_id: str, number: int) -> str:
    return f"{writer_folder(writer_id)}/{number:0{_NUMBER_DIGITS}x}"


def object_number(path: str) -> int | None:
    """The number of an object of a writer; None for what is none."""
    name = path.rpartition("/")[2]
    if len(name) != _NUMBER_DIGITS:
        return None
    try:
        return int(name, 16)
    except ValueError:
        return None


def lease_path(writer_id: str) -> str:
    return f"{LEASES}/{writer_id}"


def lease_writer(path: str) -> str | None:
    """Whose lease an object is; None for what is none."""
    name = path.rpartition("/")[2]
    try:
        return name if str(uuid.UUID(name)) == name else None
    except ValueError:
        return None


def first_seq(number: int) -> int:
    """The number of an object's first record."""
    return number << RECORDS_BITS
