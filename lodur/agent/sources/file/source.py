"""The file source: finds a job's files, follows each, and emits what they hold.

Files are looked for and read in one thread of the source's own, many files a turn; the event loop only hands chunks on,
and waits there when the sinks are full. Start at `FileSource.run`.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import structlog

from lodur.agent.delivery import Chunk, Emit, Labels, Receipt
from lodur.agent.label_text import merge_labels
from lodur.agent.metrics import AgentMetrics
from lodur.agent.positions import Positions
from lodur.agent.sources.file.block import LINE_BYTES_MAX, Block, Reader
from lodur.agent.sources.file.decompress import CompressedReader
from lodur.agent.sources.file.ledger import Ledger
from lodur.agent.sources.file.options import FileSourceOptions, FileTarget
from lodur.agent.sources.file.tail import Tail
from lodur.model.clock import Clock

TURN_BYTES = 8 * 2**20
"""Bytes read before the sinks get them; the most that is in flight between files and queues."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FollowedFile:
    """A file as `/targets` shows it."""

    job_name: str
    path: str
    offset: int
    labels: Labels


@dataclass(slots=True)
class _Followed:
    reader: Reader
    target: int
    labels: Labels
    next_ts_ns: int = 0
    offset: int = 0


@dataclass(slots=True)
class _Turn:
    """What one turn over the files gave."""

    blocks: list[tuple[_Followed, Block]] = field(default_factory=list)
    gone: list[_Followed] = field(default_factory=list)


class FileSource:
    """Reads the files of one scrape config."""

    def __init__(
        self, options: FileSourceOptions, *, positions: Positions, clock: Clock, metrics: AgentMetrics
    ) -> None:
        self._options = options
        self._positions = positions
        self._clock = clock
        self._metrics = metrics
        saved = positions.saved()
        self._ledgers = [Ledger(saved) for _ in options.targets]
        self._orphan_paths = [path for path in saved if not os.path.lexists(path)]
        self._followed: dict[tuple[int, str], _Followed] = {}
        self._order: deque[_Followed] = deque()
        self._leaving: set[tuple[int, str]] = set()
        self._failing: set[str] = set()

    def files(self) -> list[FollowedFile]:
        """The files that are followed now."""
        return [
            FollowedFile(self._options.job_name, followed.reader.path, followed.offset, followed.labels)
            for followed in list(self._followed.values())
        ]

    async def run(self, emit: Emit) -> None:
        """Read until cancelled. What was read and not emitted is read again by the next run."""
        loop = asyncio.get_running_loop()
        thread = ThreadPoolExecutor(1, thread_name_prefix=f"files-{self._options.job_name}")
        next_scan_s = self._clock.monotonic_s()
        self._metrics.targets_active.inc(len(self._options.targets))
        self._hold_orphans()
        try:
            while True:
                if self._clock.monotonic_s() >= next_scan_s:
                    next_scan_s = self._clock.monotonic_s() + self._options.rescan_period_s
                    await self._see_off(await loop.run_in_executor(thread, self._scan), emit)
                turn = await loop.run_in_executor(thread, self._read_turn)
                for followed, block in turn.blocks:
                    await emit(self._chunk(followed, block))
                await self._see_off(turn.gone, emit)
                if not turn.blocks:
                    await asyncio.sleep(self._options.poll_period_s)
        finally:
            await loop.run_in_executor(thread, self._close)
            thread.shutdown()
            self._metrics.targets_active.dec(len(self._options.targets))

    def _hold_orphans(self) -> None:
        """Keep the positions of orphans until their rest has been delivered, though their paths do not exist."""
        for number, target in enumerate(self._options.targets):
            for path in self._orphans(target):
                cursor = self._positions.start_of(path)
                if cursor is not None:
                    self._positions.commit(path, (self._options.job_name, number), cursor)

    def _scan(self) -> list[_Followed]:
        """Look at the globs again: follow new files, and give back compressed ones that are gone."""
        for number, target in enumerate(self._options.targets):
            for path in target.path.find() + self._orphans(target):
                if _is_excluded(target, path):
                    continue
                if not _is_text(path):
                    _log.warning("file name is not UTF-8, not read", path=os.fsencode(path))
                    continue
                self._follow(number, target, path)
        self._orphan_paths = []
        gone = [f for f in self._order if f.reader.is_finished() and not os.path.lexists(f.reader.path)]
        for followed in gone:
            self._drop(followed)
        return gone

    def _orphans(self, target: FileTarget) -> list[str]:
        """At the first scan: paths that are gone; their files may wait under other names for the rest to be read."""
        orphans = self._orphan_paths if self._options.decompression is None else []
        return [path for path in orphans if target.path.matches(path) and not _is_excluded(target, path)]

    def _follow(self, number: int, target: FileTarget, path: str) -> None:
        known = self._followed.get((number, path))
        if known is not None:
            if not (isinstance(known.reader, CompressedReader) and known.reader.is_finished()):
                return
            if not known.reader.has_changed():
                return
            known.reader = self._reader(number, path, is_new=False)
            return
        labels = merge_labels(target.labels, (("filename", path),))
        reader = self._reader(number, path, is_new=(number, path) not in self._leaving)
        followed = _Followed(reader, number, labels)
        self._followed[number, path] = followed
        self._order.append(followed)
        self._metrics.files_active.inc()
        if path not in self._failing:
            _log.info("following file", job=self._options.job_name, path=path)

    def _reader(self, number: int, path: str, *, is_new: bool) -> Reader:
        """A reader for `path`; one that is new here goes on at its saved position, another where the last one left."""
        start = self._positions.start_of(path) if is_new else None
        packed = self._options.decompression
        if packed is None:
            return Tail(
                path,
                start=start,
                ledger=self._ledgers[number],
                clock=self._clock,
                chunk_bytes=self._options.chunk_bytes,
            )
        return CompressedReader(
            path,
            start=start,
            ledger=self._ledgers[number],
            clock=self._clock,
            compression=packed.compression,
            initial_delay_s=packed.initial_delay_s,
            chunk_bytes=self._options.chunk_bytes,
        )

    def _read_turn(self) -> _Turn:
        turn, taken = _Turn(), 0
        for _ in range(len(self._order)):
            followed = self._order.popleft()
            self._order.append(followed)
            try:
                block = followed.reader.poll()
            except OSError as error:
                self._fail(followed, error)
                continue
            if block is not None:
                turn.blocks.append((followed, block))
                taken += len(block.data)
                self._measure(followed, block)
            elif followed.reader.is_finished() and isinstance(followed.reader, Tail):
                turn.gone.append(followed)
            if taken >= TURN_BYTES:
                break
        for followed in turn.gone:
            self._drop(followed)
        return turn

    def _fail(self, followed: _Followed, error: OSError) -> None:
        """Leave the file alone until the next scan."""
        path = followed.reader.path
        if path not in self._failing:
            self._failing.add(path)
            self._metrics.targets_failed.labels("error").inc()
            _log.error("file cannot be read", path=path, error=str(error))
        followed.reader.close()
        self._unfollow(followed)

    def _measure(self, followed: _Followed, block: Block) -> None:
        path = followed.reader.path
        self._failing.discard(path)
        followed.offset = block.cursor.offset
        self._metrics.read_bytes.labels(path).set(block.cursor.offset)
        self._metrics.file_bytes.labels(path).set(followed.reader.size_bytes())
        self._metrics.read_lines.labels(path).inc(block.lines)

    def _drop(self, followed: _Followed) -> None:
        self._unfollow(followed)
        self._leaving.add((followed.target, followed.reader.path))

    def _unfollow(self, followed: _Followed) -> None:
        self._order.remove(followed)
        self._followed.pop((followed.target, followed.reader.path), None)
        self._metrics.files_active.dec()

    async def _see_off(self, gone: list[_Followed], emit: Emit) -> None:
        """Have the positions of `gone` removed once all that was read of them is delivered."""
        for followed in gone:
            _log.info("file is gone", job=self._options.job_name, path=followed.reader.path)
            receipt = Receipt(partial(self._forget, followed))
            await emit(Chunk(followed.labels, b"", 0, self._clock.now_ns(), False, receipt))

    def _forget(self, followed: _Followed) -> None:
        path = followed.reader.path
        self._leaving.discard((followed.target, path))
        if (followed.target, path) in self._followed:
            return
        self._positions.forget(path, (self._options.job_name, followed.target))
        for metric in (self._metrics.read_bytes, self._metrics.file_bytes, self._metrics.read_lines):
            metric.remove_by_labels({"path": path})

    def _chunk(self, followed: _Followed, block: Block) -> Chunk:
        if block.is_final and len(block.data) >= LINE_BYTES_MAX:
            self._metrics.mutated_entries.labels("", "", "line_too_long").inc()
        if block.cut_bytes:
            self._metrics.mutated_bytes.labels("", "", "line_too_long").inc(block.cut_bytes)
        owner = (self._options.job_name, followed.target)
        receipt = Receipt(partial(self._positions.commit, followed.reader.path, owner, block.cursor))
        ts_ns = max(self._clock.now_ns(), followed.next_ts_ns)
        followed.next_ts_ns = ts_ns + block.lines
        return Chunk(followed.labels, block.data, block.lines, ts_ns, block.is_final, receipt)

    def _close(self) -> None:
        for followed in list(self._order):
            followed.reader.close()
            self._unfollow(followed)


def _is_excluded(target: FileTarget, path: str) -> bool:
    return target.exclude is not None and target.exclude.matches(path)


def _is_text(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
