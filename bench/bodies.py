"""Bodies to push, made ahead by a process of its own: their making is in nobody's time, and no pusher waits for it.

The corpus comes again and again, each pass under its own cluster names, so that every row is new. Start at `BodyMaker`.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import sys
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
"""Bodies that wait: some seconds of a usual load, and some ten MB."""

NICENESS = 19
"""Of the process where the load has a rate and the system knows no idle threads."""

POLL_S = 0.01
"""How often the first body is looked for."""

STREAM_FIELD = 0x0A
"""The one field of a push in protobuf: its streams, each with its length."""


class BodyMaker:
    """Runs from `with` to its end; any thread may take bodies."""

    def __init__(self, corpus: Corpus, *, raw_bytes: int, is_patient: bool) -> None:
        """Bodies of about so many bytes of lines each; 0: as the corpus has them."""
        context = multiprocessing.get_context("spawn")
        self._queue: Queue[bytes] = context.Queue(AHEAD)
        parts = max(round(corpus.meta.bytes / corpus.meta.bodies / raw_bytes), 1) if raw_bytes else 1
        self.body_bytes = corpus.meta.bytes / corpus.meta.bodies / parts
        """Of lines, on average."""
        self._process = context.Process(
            target=_make, args=(self._queue, corpus.bodies(), parts, is_patient), daemon=True
        )

    def __enter__(self) -> BodyMaker:
        self._process.start()
        while self._queue.empty() and self._process.is_alive():
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


def _make(queue: Queue[bytes], paths: Sequence[Path], parts: int, is_patient: bool) -> None:
    if is_patient:
        _yield_to_all()
    # Whoever takes the bodies ends this process when it has enough of them.
    with contextlib.suppress(KeyboardInterrupt):
        for body in _bodies(paths, parts):
            queue.put(body)


def _yield_to_all() -> None:
    """Take only what nothing else wants: who makes bodies ahead of a rate has time, and is not what is measured."""
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    else:
        os.nice(NICENESS)


def _bodies(paths: Sequence[Path], parts: int) -> Iterator[bytes]:
    for number in itertools.count():
        for path in paths:
            message = of_pass(bytes(snappy.decompress_raw(path.read_bytes())), number)
            yield from map(packed, split(message, parts) if parts > 1 else [message])
