"""Send samples to a receiver of Prometheus remote write; what is not sent yet lies in a WAL.

Each client of a tenant has its own WAL and sends its samples in order. The WAL is trimmed up to what was taken, and
read back at the start, so that neither a receiver that is away nor a restart loses samples younger than its bound.
What the receiver refuses for good is counted and left out. Start at `RemoteWriteQueue`.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import httpx
import structlog

from lodur.model.clock import Clock
from lodur.model.errors import LodurError
from lodur.model.tenant import TenantId
from lodur.ruler.http_client import Reply, post
from lodur.ruler.options import RemoteWriteClient
from lodur.ruler.relabel import relabelled
from lodur.store.journal import Journal
from lodur.telemetry.ruler_metrics import RulerMetrics
from lodur.wire.remote_write import HEADERS, Sample, encode_write_request, snappy_compress

HELD_BYTES_MAX = 64 * 2**20
"""Samples of one client that wait, as they are sent: two million, more than rules record in hours."""

SAMPLES_KIND = 1
"""Of the WAL's records: a four-byte number of samples, then the request that holds them."""

SENT_KIND = 2
"""Of records that say up to which number all have been sent, in eight bytes: files are trimmed as a whole only."""

_COUNT_BYTES = 4
_SEQ_BYTES = 8

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Piece:
    """What one turn recorded, encoded."""

    seq: int
    time_ns: int
    samples: int
    body: bytes


class RemoteWriteQueue:
    """One client of one tenant. Belongs to the event loop; `journal` and `http` are its own, and closed with it."""

    def __init__(
        self,
        tenant: TenantId,
        client: RemoteWriteClient,
        journal: Journal,
        http: httpx.AsyncClient,
        *,
        headers: dict[str, str],
        age_max_ns: int,
        clock: Clock,
        rng: random.Random,
        metrics: RulerMetrics,
    ) -> None:
        self._tenant = tenant
        self._client = client
        self._journal = journal
        self._headers = dict(HEADERS) | headers
        self._age_max_ns = age_max_ns
        self._clock = clock
        self._rng = rng
        self._metrics = metrics
        self._labels = (tenant.value, client.name)
        self._pieces: deque[_Piece] = deque()
        self._held_bytes = 0
        self._dropped_seq = 0
        """Up to which number pieces were dropped that the WAL still holds."""
        self._arrived = asyncio.Event()
        self._is_idle = asyncio.Event()
        self._closing = asyncio.Event()
        self._http = http
        self._task = asyncio.create_task(self._run())

    @property
    def client(self) -> RemoteWriteClient:
        return self._client

    async def append(self, samples: Sequence[Sample]) -> None:
        """Keep samples and send them soon."""
        most = self._client.samples_per_send_max
        for first in range(0, len(samples), most):
            await self._append(samples[first : first + most])

    async def _append(self, samples: Sequence[Sample]) -> None:
        time_ns = self._clock.now_ns()
        body, count = await asyncio.to_thread(self._encoded, samples)
        if not count:
            return
        payload = count.to_bytes(_COUNT_BYTES, "big") + body
        try:
            seq = await asyncio.to_thread(self._journal.append, self._tenant.value, SAMPLES_KIND, time_ns, payload)
        except LodurError as error:
            # They are sent all the same; only a restart would lose them.
            self._metrics.wal_failures.labels(self._tenant.value).inc(count)
            _log.error("samples are not on disk", tenant=self._tenant.value, err=str(error))
            seq = 0
        self._add(_Piece(seq, time_ns, count, body))

    async def close(self, drain_s: float) -> None:
        """Send what can be sent in so long, then stop; the WAL keeps the rest."""
        self._closing.set()
        waiting = asyncio.ensure_future(self._is_idle.wait())
        await asyncio.wait({waiting}, timeout=drain_s)
        waiting.cancel()
        self._task.cancel()
        await asyncio.gather(self._task, waiting, return_exceptions=True)
        await self._http.aclose()
        await asyncio.to_thread(self._journal.close)

    def _encoded(self, samples: Sequence[Sample]) -> tuple[bytes, int]:
        kept: list[Sample] = []
        for sample in samples:
            labels = relabelled(sample.labels, self._client.relabel) if self._client.relabel else sample.labels
            if labels is not None:
                kept.append(Sample(labels, sample.time_ms, sample.value))
        return encode_write_request(kept), len(kept)

    def _add(self, piece: _Piece) -> None:
        self._pieces.append(piece)
        self._held_bytes += len(piece.body)
        while self._held_bytes > HELD_BYTES_MAX and len(self._pieces) > 1:
            self._drop(self._pieces.popleft(), "more wait than are kept")
        self._is_idle.clear()
        self._arrived.set()
        self._measure()

    def _drop(self, piece: _Piece, reason: str) -> None:
        self._held_bytes -= len(piece.body)
        self._dropped_seq = max(self._dropped_seq, piece.seq)
        self._metrics.samples_dropped.labels(*self._labels).inc(piece.samples)
        _log.error("samples dropped", tenant=self._tenant.value, client=self._client.name, reason=reason)

    def _measure(self) -> None:
        self._metrics.samples_waiting.labels(*self._labels).set(sum(piece.samples for piece in self._pieces))

    async def _run(self) -> None:
        await self._replay()
        failures = 0
        log = _log.bind(tenant=self._tenant.value, client=self._client.name)
        while True:
            self._drop_old()
            if self._dropped_seq:
                dropped, self._dropped_seq = self._dropped_seq, 0
                await self._trim(dropped)
            if not self._pieces:
                self._is_idle.set()
                self._arrived.clear()
                await self._arrived.wait()
                await self._gather()
            try:
                pause_s = await self._send(failures)
            except Exception:
                log.exception("samples could not be sent")
                pause_s = self._client.backoff_max_s
            self._measure()
            failures = failures + 1 if pause_s else 0
            if pause_s:
                await asyncio.sleep(pause_s)

    async def _replay(self) -> None:
        """Queue what an earlier process has not sent."""
        try:
            batches = await asyncio.to_thread(lambda: list(self._journal.replay()))
        except (LodurError, OSError) as error:
            _log.error("samples of before cannot be read", tenant=self._tenant.value, err=str(error))
            return
        later = list(self._pieces)
        self._pieces.clear()
        self._held_bytes = 0
        records = [record for batch in batches for record in batch]
        marks = (int.from_bytes(record.payload, "big") for record in records if record.kind == SENT_KIND)
        sent_seq = max(marks, default=0)
        for record in records:
            payload = record.payload
            if record.kind == SAMPLES_KIND and record.seq > sent_seq and len(payload) >= _COUNT_BYTES:
                count = int.from_bytes(payload[:_COUNT_BYTES], "big")
                self._add(_Piece(record.seq, record.accepted_at_ns, count, payload[_COUNT_BYTES:]))
        for piece in later:
            self._add(piece)

    async def _gather(self) -> None:
        """Wait for more samples, as long as the client lets the first of them wait."""
        waiting = sum(piece.samples for piece in self._pieces)
        if waiting < self._client.samples_per_send_max and not self._closing.is_set():
            closing = asyncio.ensure_future(self._closing.wait())
            await asyncio.wait({closing}, timeout=self._client.batch_wait_s)
            closing.cancel()

    def _drop_old(self) -> None:
        oldest_ns = self._clock.now_ns() - self._age_max_ns
        while self._pieces and self._pieces[0].time_ns < oldest_ns:
            self._drop(self._pieces.popleft(), "older than the WAL keeps them")

    async def _send(self, failures: int) -> float:
        """Send the oldest pieces; for how long to wait before the next."""
        batch: list[_Piece] = []
        samples = 0
        for piece in self._pieces:
            if batch and samples + piece.samples > self._client.samples_per_send_max:
                break
            batch.append(piece)
            samples += piece.samples
        if not batch:
            return 0.0
        body = await asyncio.to_thread(snappy_compress, b"".join(piece.body for piece in batch))
        reply = await post(self._http, self._client.url, body, self._headers, self._client.http)
        if not reply.is_taken and reply.is_worth_another(retry_rate_limited=self._client.retry_rate_limited):
            self._metrics.samples_retried.labels(*self._labels).inc(samples)
            self._told(reply, samples, again=True)
            grown_s = min(self._client.backoff_max_s, self._client.backoff_min_s * 2.0 ** min(failures, 30))
            return max(reply.retry_after_s, grown_s * self._rng.uniform(0.5, 1.0))
        if reply.is_taken:
            self._metrics.samples_sent.labels(*self._labels).inc(samples)
            self._metrics.sent_until.labels(*self._labels).set(batch[-1].time_ns / 1e9)
        else:
            self._metrics.samples_failed.labels(*self._labels).inc(samples)
            self._told(reply, samples, again=False)
        await self._settle(batch)
        return 0.0

    async def _settle(self, batch: list[_Piece]) -> None:
        """Forget what was taken, or refused for good."""
        for piece in batch:
            # A full queue may have dropped some of them meanwhile.
            if self._pieces and self._pieces[0] is piece:
                self._pieces.popleft()
                self._held_bytes -= len(piece.body)
        if last := max(piece.seq for piece in batch):
            await self._trim(last)

    async def _trim(self, seq: int) -> None:
        """Let the WAL forget all records up to one."""
        try:
            await asyncio.to_thread(self._mark_sent, seq)
        except (LodurError, OSError) as error:
            _log.warning("WAL of samples could not be trimmed", tenant=self._tenant.value, err=str(error))

    def _mark_sent(self, seq: int) -> None:
        mark = seq.to_bytes(_SEQ_BYTES, "big")
        self._journal.append(self._tenant.value, SENT_KIND, self._clock.now_ns(), mark)
        self._journal.trim(seq)

    def _told(self, reply: Reply, samples: int, *, again: bool) -> None:
        log = _log.warning if again else _log.error
        log(
            "samples were not taken",
            tenant=self._tenant.value,
            client=self._client.name,
            samples=samples,
            status=reply.status,
            err=reply.text,
            again=again,
        )
