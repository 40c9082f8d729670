"""Files that an export is written to: complete under their name, or not there; compressed as the name says."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from lodur.cli.extras import arrow
from lodur.cli.terminal import standard_output
from lodur.model.errors import InvalidRequest


class ByteSink(Protocol):
    """Where bytes go."""

    def write(self, data: bytes, /) -> object: ...


class _Closable(ByteSink, Protocol):
    def close(self) -> None: ...


class Counted:
    """Counts what is written: a pipe cannot tell how far it is."""

    closed = False

    def __init__(self, sink: ByteSink) -> None:
        self._sink = sink
        self._bytes = 0

    def write(self, data: bytes) -> int:
        self._sink.write(data)
        self._bytes += len(data)
        return len(data)

    def tell(self) -> int:
        return self._bytes

    def flush(self) -> None:
        """The sink is flushed when it is closed."""

    def close(self) -> None:
        """The sink is not this one's to close."""


def _zstd(sink: ByteSink) -> _Closable:
    return cast("_Closable", arrow(".zst").CompressedOutputStream(Counted(sink), "zstd"))


_COMPRESSIONS: dict[str, Callable[[ByteSink], _Closable]] = {
    # Who asks for one of these closes it: they are what is opened here.
    ".gz": lambda sink: gzip.GzipFile(fileobj=cast("BinaryIO", sink), mode="wb", compresslevel=6, mtime=0),
    ".bz2": lambda sink: bz2.BZ2File(cast("BinaryIO", sink), "wb"),
    ".xz": lambda sink: lzma.LZMAFile(cast("BinaryIO", sink), "wb"),  # noqa: SIM115
    ".zst": _zstd,
}


def compression_of(name: str) -> str:
    """The suffix that says how a file is compressed; empty for one that is not."""
    suffix = Path(name).suffix.lower()
    return suffix if suffix in _COMPRESSIONS else ""


@contextmanager
def opened_target(name: str) -> Iterator[ByteSink]:
    """Standard output for `-`; else a file, which gets its name when all is written, and is gone when it is not."""
    if name == "-":
        with standard_output() as output:
            yield output
        return
    try:
        with unfinished_file(name) as path, path.open("wb") as file:
            with _compressed(file, compression_of(name)) as sink:
                yield sink
            file.flush()
            if path.is_file():
                os.fsync(file.fileno())
    except OSError as error:
        raise InvalidRequest(f"{error.filename or name} cannot be written: {error.strerror or error}") from error


@contextmanager
def unfinished_file(name: str) -> Iterator[Path]:
    """Where to write what gets its name when it is complete.

    A device or a pipe is written to as it is, and a link stays one: what it points to is replaced.
    """
    given = Path(name)
    if given.exists() and not given.is_file():
        yield given
        return
    target = Path(os.path.realpath(given)) if given.is_symlink() else given
    unfinished = target.with_name(f"{target.name}.tmp")
    try:
        yield unfinished
        os.replace(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def _compressed(file: ByteSink, suffix: str) -> Iterator[ByteSink]:
    if not suffix:
        yield file
        return
    sink = _COMPRESSIONS[suffix](file)
    yield sink
    sink.close()
