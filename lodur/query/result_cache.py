"""Series of metric scans over closed time, kept by the segments that they come from.

Segments never change. A result is kept for exactly the segments (the objects in memory, not their names) that may hold
rows of its windows, and only where no row of the selector in these windows is in memory: so a late entry, a delete
request, a merge or retention each lead to another key, and what is found is what a scan would find. Steps are divided
into pieces at whole hours, so that a dashboard that moves on finds again what it has in common with before. Start at
`ResultCache.scanned`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import msgspec

from lodur.kernels.head import HeadView
from lodur.kernels.scan import Cancel, MetricResult, ScanStats
from lodur.kernels.scan_plan import Metric, ScanPlan, encode, encode_matchers
from lodur.kernels.volume import index_stats
from lodur.model.clock import Clock
from lodur.model.durations import NS_PER_HOUR
from lodur.model.time_span import TimeSpan
from lodur.query.evaluate.matrix import Matrix
from lodur.query.scanning import Scanner, may_hold, window_span
from lodur.query.sources import Source
from lodur.store.memory_cache import MemoryCache
from lodur.telemetry.store_metrics import CacheMetrics

PIECES_MAX = 48
"""Of one scan: each is scanned by itself where it is not found."""

WINDOWS_IN_PIECE = 8
"""A piece is at least so many windows long: those at its edges are read twice."""

LABEL_SET_BYTES = 400
"""Of a result's label set in memory, about."""

ToMatrix: TypeAlias = Callable[[Sequence[MetricResult], Cancel], Matrix]
"""The series of results over consecutive steps."""

Key: TypeAlias = tuple[bytes, tuple[int, ...]]
"""A plan message, and the identities of its sources."""


@dataclass(frozen=True, slots=True)
class ScannedPart:
    """Series over consecutive steps, and what was looked at for them; nothing where they were kept."""

    matrix: Matrix
    stats: tuple[ScanStats, ...]


@dataclass(frozen=True, slots=True)
class _Kept:
    """A result; the sources are held so that no other object gets their identity."""

    matrix: Matrix
    sources: tuple[Source, ...]


class ResultCache:
    """At most `bytes_max` of series, each for at most `ttl_s`; with 0 bytes all is scanned and nothing kept."""

    def __init__(self, bytes_max: int, ttl_s: float, metrics: CacheMetrics, clock: Clock) -> None:
        self._is_on = bytes_max > 0
        self._kept: MemoryCache[Key, _Kept] = MemoryCache("results", bytes_max, metrics, ttl_s=ttl_s, clock=clock)

    async def scanned(
        self,
        scanner: Scanner,
        plan: ScanPlan,
        to_matrix: ToMatrix,
        is_fresh: bool,
        sources: Sequence[Source],
        *,
        memory_max_bytes: int,
    ) -> list[ScannedPart]:
        """The series of a plan whose task is `Metric`, over consecutive ranges of its steps.

        Raises as `Scanner.metric`. Where `is_fresh`, nothing kept is taken, and nothing is kept.
        """
        assert isinstance(plan.task, Metric)
        scan = partial(_scanned, scanner, to_matrix=to_matrix, memory_max_bytes=memory_max_bytes)
        pieces = pieces_of(plan.task) if self._is_on and not is_fresh else [plan.task]
        if len(pieces) < 2:
            return [await scan(plan, sources)]
        closed_pieces = await scanner.in_thread(partial(_closed_pieces, plan, pieces, sources))
        parts: list[ScannedPart] = []
        for number, piece in enumerate(pieces):
            piece_plan = msgspec.structs.replace(plan, task=piece)
            # The first and the last are parts of a piece, which the next query will cut elsewhere.
            if not 0 < number < min(closed_pieces, len(pieces) - 1):
                parts.append(await scan(piece_plan, sources))
                continue
            held = tuple(
                source
                for source in sources
                if not isinstance(source, HeadView) and may_hold(source, window_span(piece))
            )
            key = (encode(piece_plan), tuple(id(source) for source in held))
            kept = self._kept.get(key)
            if kept is not None:
                parts.append(ScannedPart(kept.matrix, ()))
                continue
            parts.append(await scan(piece_plan, held))
            self._keep(key, parts[-1].matrix, held)
        return parts

    def _keep(self, key: Key, matrix: Matrix, sources: tuple[Source, ...]) -> None:
        # Whoever gets it may not change it.
        matrix.values.flags.writeable = matrix.present.flags.writeable = False
        size_bytes = matrix.nbytes + LABEL_SET_BYTES * len(matrix.labels) + len(key[0])
        self._kept.keep(key, _Kept(matrix, sources), size_bytes)


def pieces_of(task: Metric) -> list[Metric]:
    """The task's steps, divided where the time of a step passes a whole multiple of the piece's length."""
    if task.steps < 2:
        return [task]
    total_ns = task.steps * task.step_ns
    length_ns = NS_PER_HOUR
    while length_ns < max(WINDOWS_IN_PIECE * task.range_ns, total_ns // PIECES_MAX):
        length_ns *= 2
    pieces: list[Metric] = []
    first = 0
    while first < task.steps:
        start_ns = task.start_ns + first * task.step_ns
        edge_ns = (start_ns // length_ns + 1) * length_ns
        end = min(task.steps, first + -(-(edge_ns - start_ns) // task.step_ns))
        pieces.append(msgspec.structs.replace(task, start_ns=start_ns, steps=end - first))
        first = end
    return pieces


def _closed_pieces(plan: ScanPlan, pieces: Sequence[Metric], sources: Sequence[Source], cancel: Cancel) -> int:
    """How many of the pieces, from the first on, have no row of the plan's streams in memory."""
    heads: list[HeadView] = [source for source in sources if isinstance(source, HeadView)]
    selector = encode_matchers(plan.matchers)
    start_ns = window_span(pieces[0]).start_ns

    def is_closed(count: int) -> bool:
        span = TimeSpan(start_ns, window_span(pieces[count - 1]).end_ns)
        return not heads or index_stats([*heads], selector, span.start_ns, span.end_ns, cancel=cancel).entries == 0

    least, most = 0, len(pieces)
    while least < most:
        middle = (least + most + 1) // 2
        if is_closed(middle):
            least = middle
        else:
            most = middle - 1
    return least


async def _scanned(
    scanner: Scanner, plan: ScanPlan, sources: Sequence[Source], *, to_matrix: ToMatrix, memory_max_bytes: int
) -> ScannedPart:
    results = await scanner.metric(plan, sources, memory_max_bytes)
    matrix = await scanner.in_thread(partial(to_matrix, results))
    return ScannedPart(matrix, tuple(result.stats for result in results))
