"""Read a long span in parts, several at a time, each into a file of its own, and put them together in order.

A part that is complete has its name; one under way ends in `.tmp`. So a download that was interrupted goes on where it
was: parts that are there are not asked for again. What a part holds is the caller's business. Start at `read_parts`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from lodur.cli.terminal import standard_output
from lodur.model.durations import NS_PER_S
from lodur.model.errors import InvalidRequest, Unavailable
from lodur.model.time_span import TimeSpan

PARTS_MAX = 100_000
"""More files than this in a folder serve nobody: a year in parts of five minutes."""

WORKERS_MAX = 64

Write = Callable[[str], None]
ReadPart = Callable[[TimeSpan, Write], None]
"""Read a span and write what belongs into its part."""


@dataclass(frozen=True, slots=True)
class PartOptions:
    """How a span is read in parts."""

    duration_ns: int
    workers: int
    prefix: str | None
    overwrite: bool
    merge: bool
    keep: bool

    @property
    def is_wanted(self) -> bool:
        """Whether there are parts at all."""
        return self.workers > 1 or self.prefix is not None

    @property
    def is_merged(self) -> bool:
        """Whether the parts are printed: without a place to stay they are good for nothing else."""
        return self.merge or self.prefix is None


@dataclass(frozen=True, slots=True)
class Part:
    """A span and its file."""

    span: TimeSpan
    path: Path


def parts_of(span: TimeSpan, duration_ns: int, prefix: str) -> list[Part]:
    """The span cut into parts, oldest first; raises click.BadParameter where they are too many."""
    count = -(-(span.end_ns - span.start_ns) // duration_ns)
    if count > PARTS_MAX:
        raise click.BadParameter(f"makes {count} parts, more than {PARTS_MAX}", param_hint="--parallel-duration")
    starts = range(span.start_ns, span.end_ns, duration_ns)
    spans = [TimeSpan(start_ns, min(start_ns + duration_ns, span.end_ns)) for start_ns in starts]
    return [Part(one, Path(f"{prefix}_{_stamp(one.start_ns)}_{_stamp(one.end_ns)}.part")) for one in spans]


def read_parts(options: PartOptions, span: TimeSpan, read: ReadPart, *, newest_first: bool, say: Write) -> None:
    """Read all parts and, where that is wanted, print them in order.

    Raises what `read` raises, InvalidRequest for files that cannot be written, OSError where nobody takes the output.
    """
    with _prefix(options) as prefix:
        parts = parts_of(span, options.duration_ns, prefix)
        if newest_first:
            parts.reverse()
        stopped = threading.Event()
        with ThreadPoolExecutor(options.workers, thread_name_prefix="part") as pool:
            under_way = [pool.submit(_complete, part, options, read, stopped, say) for part in parts]
            try:
                _collect(parts, under_way, options)
            finally:
                stopped.set()
                pool.shutdown(wait=True, cancel_futures=True)


def _collect(parts: Sequence[Part], under_way: Sequence[Future[None]], options: PartOptions) -> None:
    for part, future in zip(parts, under_way, strict=True):
        future.result()
        if options.is_merged:
            with part.path.open("rb") as file, standard_output() as output:
                shutil.copyfileobj(file, output)
            if not options.keep:
                part.path.unlink()


def _complete(part: Part, options: PartOptions, read: ReadPart, stopped: threading.Event, say: Write) -> None:
    if part.path.exists() and not options.overwrite:
        say(f"{part.path} is there already\n")
        return
    unfinished = part.path.with_name(f"{part.path.name}.tmp")
    try:
        with unfinished.open("wb") as file:

            def write(text: str) -> None:
                if stopped.is_set():
                    raise Unavailable("another part could not be read")
                file.write(text.encode("utf-8", "replace"))

            read(part.span, write)
        os.replace(unfinished, part.path)
    except OSError as error:
        raise InvalidRequest(f"{unfinished} cannot be written: {error.strerror or error}") from error


@contextmanager
def _prefix(options: PartOptions) -> Iterator[str]:
    if options.prefix is not None:
        yield options.prefix
        return
    with tempfile.TemporaryDirectory(prefix="lodur-parts-") as folder:
        yield f"{folder}/part"


def _stamp(ts_ns: int) -> str:
    seconds, fraction_ns = divmod(ts_ns, NS_PER_S)
    fraction = f".{fraction_ns:09d}" if fraction_ns else ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%dT%H%M%S}{fraction}"
