"""Bodies to push, made ahead by a process of its own: their making is in nobody's time, and no pusher waits for it.

For a load whose pushes can be counted beforehand all of them are made before it begins, so that the server has the
machine to itself.

The corpus comes again and again, each pass under its own cluster names, so that every row is new. Start at `BodyMaker`.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from multiprocessing.queues import Queue
from pathlib import Path
from types import TracebackType

from cramjam import snappy

from bench.corpus import Corpus

CLUSTER = b'cluster="eu-west-'
"""In the labels of every stream of both corpora."""
PASS_DIGITS = len("eu-west-") - len("p-")
"""A pass's cluster names are as long as the corpus's: lengths stand in the protobuf around them."""

AHEAD = 64
"""Bodies that wait at least: some seconds of a usual load, and some ten MB."""

BEFORE_BYTES_MAX = 2_000_000_000
"""Of lines whose bodies wait, half as large: of a longer load, the rest is made in its time."""

POLL_S = 0.05
"""How often is looked whether enough bodies are made, or few are left."""

STREAM_FIELD = 0x0A
"""The one field of a push in protobuf: its streams, each with its length."""


class BodyMaker:
    """Runs from `with` to its end; any thread may take bodies."""

    def __init__(self, corpus: Corpus, *, raw_bytes: int, made_before_bytes: float = 0) -> None:
        """Bodies of about `raw_bytes` of lines each; 0: as the corpus has them.

        Those of `made_before_bytes` of lines wait in memory when `with` begins, and others are made only when these are
        taken.
        """
        context = multiprocessing.get_context("spawn")
        parts = max(round(corpus.meta.bytes / corpus.meta.bodies / raw_bytes), 1) if raw_bytes else 1
        self.body_bytes = corpus.meta.bytes / corpus.meta.bodies / parts
        """Of lines, on average."""
        before_bytes = min(made_before_bytes, BEFORE_BYTES_MAX)
        self._made_before = round(before_bytes / self.body_bytes) + AHEAD if made_before_bytes else 1
        self._queue: Queue[bytes] = context.Queue(max(self._made_before, AHEAD))
        making = (self._queue, corpus.bodies(), parts, self._made_before)
        self._process = context.Process(target=_make, args=making, daemon=True)

    def __enter__(self) -> BodyMaker:
        self._process.start()
        while self._queue.qsize() < self._made_before and self._process.is_alive():
            time.sleep(POLL_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.join()
        self._queue.cancel_join_thread()
        self._queue.close()

    def take(self) -> bytes:
        """The next body."""
        return self._queue.get()


def in_pass(body: bytes, number: int) -> bytes:
    """A body whose streams belong to a pass: the same rows of other streams."""
    return packed(of_pass(bytes(snappy.decompress_raw(body)), number))


def of_pass(message: bytes, number: int) -> bytes:
    """The same of a message that is not compressed."""
    return message.replace(CLUSTER, f'cluster="p{number:0{PASS_DIGITS}d}-'.encode())


def packed(message: bytes) -> bytes:
    return bytes(snappy.compress_raw(message))


def split(message: bytes, parts: int) -> list[bytes]:
    """A push's streams in so many pushes of about the same size, or fewer where it has fewer streams."""
    streams: list[bytes] = []
    at = 0
    while at < len(message):
        if message[at] != STREAM_FIELD:
            raise ValueError(f"byte {at} of the push begins no stream")
        end, length, shift = at + 1, 0, 0
        while True:
            byte = message[end]
            length |= (byte & 0x7F) << shift
            shift, end = shift + 7, end + 1
            if byte < 0x80:
                break
        streams.append(message[at : end + length])
        at = end + length
    wanted_bytes = len(message) / parts
    pushes: list[list[bytes]] = [[]]
    size_bytes = 0
    for stream in streams:
        if size_bytes >= wanted_bytes and len(pushes) < parts:
            pushes.append([])
            size_bytes = 0
        pushes[-1].append(stream)
        size_bytes += len(stream)
    return [b"".join(push) for push in pushes]


def _make(queue: Queue[bytes], paths: Sequence[Path], parts: int, made_before: int) -> None:
    # Whoever takes the bodies ends this process when it has enough of them.
    with contextlib.suppress(KeyboardInterrupt):
        for number, body in enumerate(_bodies(paths, parts)):
            while number >= made_before and queue.qsize() >= AHEAD:
                time.sleep(POLL_S)
            queue.put(body)


def _bodies(paths: Sequence[Path], parts: int) -> Iterator[bytes]:
    for number in itertools.count():
        for path in paths:
            message = of_pass(bytes(snappy.decompress_raw(path.read_bytes())), number)
            yield from map(packed, split(message, parts) if parts > 1 else [message])
