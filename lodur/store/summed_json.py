"""JSON documents with a checksum and a copy of themselves in their first lines: a flipped bit is noticed, and undone.

What the documents mean is their owners' affair, who say in which version of theirs this began. Start at `with_sum` and
`read_sound`. Format: docs/formats/manifest.md.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

import msgspec
import structlog

from lodur.model.errors import CorruptData, LodurError
from lodur.model.tenant import TenantId
from lodur.store.object_store import ObjectStore
from lodur.store.settled_reads import read_settled

SUMMED_VERSION = 2
"""Of the documents that `check_summed` is for: their version 1 had no checksum."""

_HEAD = re.compile(rb'\{\n "checksum": "([0-9a-f]{8})",\n "copy": "[A-Za-z0-9+/=]*",\n')
"""The lines before the bytes that the checksum and the copy are of."""

_COPY = re.compile(rb'"copy": "([A-Za-z0-9+/=]+)"')

_CHECKSUM = re.compile(rb'"checksum": "([0-9a-f]{8})"')

_log = structlog.get_logger(__name__)

T = TypeVar("T")


class DamagedJson(CorruptData):
    """A document's bytes are not those that were written."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: damaged at byte 0: {reason}", path=path, offset=0)


class SumState(Enum):
    """What the first lines of a document say."""

    RIGHT = "right"
    WRONG = "wrong"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Sound(Generic[T]):
    """What a document says, and the version of its object."""

    value: T | None
    """None where neither its bytes nor the copy in it are whole."""
    version: str
    damaged: bytes | None = None
    """Its bytes where they are not those that were written."""


def with_sum(document: bytes) -> bytes:
    """A document as a file, from its JSON."""
    text = msgspec.json.format(document, indent=1) + b"\n"
    body = text.removeprefix(b"{\n")
    return _head(body) + body


def sum_state(data: bytes) -> SumState:
    """Whether the bytes of a file match its checksum."""
    head = _HEAD.match(data)
    if head is None:
        return SumState.ABSENT
    return SumState.RIGHT if head[1] == _checksum(data[head.end() :]) else SumState.WRONG


def check_summed(data: bytes, path: str, what: str) -> None:
    """Raise DamagedJson for bytes that are not those that were written, CorruptData for a version that is not known."""
    state = sum_state(data)
    if state is SumState.WRONG:
        raise DamagedJson(path, "its bytes do not match its checksum")
    try:
        version = _VERSIONED.decode(data).version
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedJson(path, f"no {what}: {error}") from error
    if version not in (1, SUMMED_VERSION):
        known = f"1, {SUMMED_VERSION}"
        raise CorruptData(f"{path}: version {version} of {what} is not known, this build reads {known}", path=path)
    if version == SUMMED_VERSION and state is SumState.ABSENT:
        raise DamagedJson(path, "it does not begin with its checksum and its copy")


def restored_files(data: bytes) -> Iterator[bytes]:
    """Files as they may have been before the damage, from the document itself or from the copy, whichever is whole."""
    if (checksum := _CHECKSUM.search(data)) is not None:
        # The damage may have made or unmade the end of a line.
        starts = (place.end() for place in re.finditer(rb"\n", data))
        bodies = (data[start:] for start in starts if _checksum(data[start:]) == checksum[1])
        yield from (_head(body) + body for body in bodies)
    if (copy := _COPY.search(data)) is not None:
        with suppress(zlib.error, ValueError):
            body = zlib.decompress(base64.b64decode(copy[1], validate=True))
            yield _head(body) + body


def copy_is_whole(data: bytes) -> bool:
    """Whether the copy in a file that can be read is whole too; files without a checksum have none."""
    head = _HEAD.match(data)
    return head is None or data.startswith(_head(data[head.end() :]))


def read_sound(store: ObjectStore, path: str, decode: Callable[[bytes, str], T]) -> Sound[T] | None:
    """A document, restored where its bytes are damaged; None where there is none. Changes nothing.

    `decode` raises DamagedJson for damage. Raises what else it does, and as `ObjectStore`.
    """
    settled = read_settled(store, path, decode, DamagedJson)
    if settled is None:
        return None
    found, read = settled
    if not isinstance(read, DamagedJson):
        return Sound(read, found.version)
    for file in restored_files(found.data):
        with suppress(DamagedJson):
            return Sound(decode(file, path), found.version, damaged=found.data)
    return Sound(None, found.version, damaged=found.data)


def put_damaged_aside(store: ObjectStore, folder: TenantId | str, name: str, damaged: bytes) -> str:
    """Put the bytes of a damaged file where people find them; the path. Raises as `ObjectStore`."""
    path = f"{folder}/damaged/{name}-{zlib.crc32(damaged):08x}.json"
    store.replace_if(path, damaged, None)
    return path


def report_damage(store: ObjectStore, folder: TenantId | str, name: str, path: str, found: Sound[T]) -> None:
    """Log that a document was found damaged, and put its bytes aside where this process may write."""
    kept = ""
    if found.damaged is not None:
        with suppress(LodurError):
            kept = put_damaged_aside(store, folder, name, found.damaged)
    _log.error("document is damaged", path=path, offset=0, restored=found.value is not None, kept=kept)


def _head(body: bytes) -> bytes:
    copy = base64.b64encode(zlib.compress(body))
    return b'{\n "checksum": "%b",\n "copy": "%b",\n' % (_checksum(body), copy)


def _checksum(body: bytes) -> bytes:
    return b"%08x" % zlib.crc32(body)


class _Versioned(msgspec.Struct):
    version: int


# Made here, once: several threads that each make one of the same type at the same time crash msgspec.
_VERSIONED = msgspec.json.Decoder(_Versioned)
