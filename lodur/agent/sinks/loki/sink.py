"""Deliver chunks to one push endpoint: batch, encode, send, try again, settle.

One batch is open at a time and batches are sent one after the other, so that entries of a stream keep their order and
receipts are settled in order. A batch that is given up for good is counted, and settled as well.
Start at `LokiSink.run`.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx
import structlog

from lodur.agent.delivery import Chunk, Labels, Receipt
from lodur.agent.label_text import merge_labels, print_labels
from lodur.agent.metrics import AgentMetrics
from lodur.agent.sinks.loki.options import LokiOptions
from lodur.agent.sinks.loki.retry import TRANSPORT_ERROR, Again, Delivered, GivenUp, judge, parse_retry_after
from lodur.agent.sinks.queue import ChunkQueue
from lodur.kernels import push_encode
from lodur.model.clock import Clock

QUEUE_BYTES_MAX = 32 * 2**20
"""Lines that wait for one client before reading is held back: half a minute at a megabyte a second."""

LABEL_TEXTS_MAX = 4096
"""Printed label sets that are kept; more streams than this are printed again."""

RESPONSE_LINE_BYTES = 1024
"""How much of the first line of a refusal is logged."""

RESPONSE_BYTES_MAX = 64 * 2**10
"""How much of an answer is read."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Batch:
    """Encoded streams and the receipts of what is in them."""

    opened_at_s: float
    bodies: list[bytes] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    raw_bytes: int = 0
    lines: int = 0


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    text: str
    retry_after_s: float | None


class LokiSink:
    """One client of a push endpoint, with its own queue."""

    def __init__(
        self,
        options: LokiOptions,
        *,
        http: httpx.AsyncClient,
        clock: Clock,
        rng: random.Random,
        metrics: AgentMetrics,
    ) -> None:
        self._options = options
        self._http = http
        self._clock = clock
        self._rng = rng
        self._metrics = metrics
        self._queue = ChunkQueue(QUEUE_BYTES_MAX)
        self._label_texts: dict[Labels, str] = {}
        self._host = urlsplit(options.url).netloc.rpartition("@")[2]

    async def put(self, chunk: Chunk) -> None:
        """Queue a chunk; waits while the queue is full."""
        await self._queue.put(chunk)

    async def close(self) -> None:
        """No more chunks will come: `run` sends what is queued and returns."""
        await self._queue.close()

    async def run(self) -> None:
        """Deliver until closed and empty. Cancelling leaves what was not delivered unsettled."""
        batch = _Batch(self._clock.monotonic_s())
        while True:
            chunk = await self._queue.get(self._wait_s(batch))
            if chunk is None:
                await self._send(batch)
                if self._queue.is_drained():
                    return
                batch = _Batch(self._clock.monotonic_s())
                continue
            if batch.raw_bytes and batch.raw_bytes + len(chunk.data) > self._options.batch_bytes:
                await self._send(batch)
                batch = _Batch(self._clock.monotonic_s())
            if not batch.receipts:
                batch.opened_at_s = self._clock.monotonic_s()
            await self._add(batch, chunk)
            if batch.raw_bytes >= self._options.batch_bytes or self._wait_s(batch) == 0.0:
                await self._send(batch)
                batch = _Batch(self._clock.monotonic_s())

    def _wait_s(self, batch: _Batch) -> float | None:
        if not batch.receipts:
            return None
        return max(0.0, batch.opened_at_s + self._options.batch_wait_s - self._clock.monotonic_s())

    async def _add(self, batch: _Batch, chunk: Chunk) -> None:
        batch.receipts.append(chunk.receipt)
        if not chunk.data:
            return
        encoded = await asyncio.to_thread(
            push_encode.encode_lines,
            chunk.data,
            labels=self._label_text(chunk.labels),
            ts_ns=chunk.ts_ns,
            ts_step_ns=1,
            final=chunk.is_final,
            compress=False,
        )
        batch.bodies.append(encoded.body)
        batch.raw_bytes += len(chunk.data)
        batch.lines += encoded.lines

    def _label_text(self, labels: Labels) -> str:
        text = self._label_texts.get(labels)
        if text is None:
            if len(self._label_texts) >= LABEL_TEXTS_MAX:
                self._label_texts.clear()
            text = print_labels(merge_labels(self._options.external_labels, labels))
            self._label_texts[labels] = text
        return text

    async def _send(self, batch: _Batch) -> None:
        if batch.lines:
            await self._deliver(batch)
        for receipt in batch.receipts:
            receipt.settle()

    async def _deliver(self, batch: _Batch) -> None:
        body = await asyncio.to_thread(push_encode.snappy_compress, b"".join(batch.bodies))
        self._metrics.encoded_bytes.labels(self._host).inc(len(body))
        tries = 0
        while True:
            tries += 1
            answer = await self._request(body)
            verdict = judge(
                answer.status,
                tries=tries,
                retry_after_s=answer.retry_after_s,
                backoff=self._options.backoff,
                drop_rate_limited=self._options.drop_rate_limited,
                rng=self._rng,
            )
            match verdict:
                case Delivered():
                    self._metrics.sent_bytes.labels(self._host).inc(len(body))
                    self._metrics.sent_entries.labels(self._host).inc(batch.lines)
                    return
                case GivenUp(reason):
                    self._count_dropped(batch, len(body), answer, reason, tries)
                    return
                case Again(after_s):
                    self._metrics.batch_retries.labels(self._host, self._options.tenant_id).inc()
                    _log.warning(
                        "error sending batch, will retry",
                        client=self._options.name,
                        status=answer.status,
                        error=answer.text,
                        retry_in_s=round(after_s, 3),
                    )
                    await asyncio.sleep(after_s)

    def _count_dropped(self, batch: _Batch, size_bytes: int, answer: _Answer, reason: str, tries: int) -> None:
        labels = (self._host, self._options.tenant_id, reason)
        self._metrics.dropped_bytes.labels(*labels).inc(size_bytes)
        self._metrics.dropped_entries.labels(*labels).inc(batch.lines)
        _log.error(
            "final error sending batch",
            client=self._options.name,
            status=answer.status,
            tries=tries,
            entries=batch.lines,
            reason=reason,
            error=answer.text,
        )

    async def _request(self, body: bytes) -> _Answer:
        began_s = self._clock.monotonic_s()
        try:
            async with asyncio.timeout(self._options.timeout_s):
                answer = await self._post(body)
        except (httpx.HTTPError, TimeoutError, OSError) as error:
            answer = _Answer(TRANSPORT_ERROR, f"{type(error).__name__}: {error}".rstrip(": "), None)
        seconds = self._clock.monotonic_s() - began_s
        self._metrics.request_duration.labels(str(answer.status), self._host).observe(seconds)
        return answer

    async def _post(self, body: bytes) -> _Answer:
        extensions = {"sni_hostname": self._options.tls.server_name} if self._options.tls.server_name else {}
        async with self._http.stream("POST", self._options.url, content=body, extensions=extensions) as response:
            text = bytearray()
            async for part in response.aiter_bytes():
                text += part
                if len(text) >= RESPONSE_BYTES_MAX:
                    break
            first_line = bytes(text).split(b"\n", 1)[0][:RESPONSE_LINE_BYTES].decode("utf-8", "replace")
            return _Answer(response.status_code, first_line, parse_retry_after(response.headers.get("Retry-After")))
