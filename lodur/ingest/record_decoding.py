"""From records of a WAL to the rows that they stand for, whoever wrote them.

Start at `RecordDecoder.decode`; `decoded_ahead` does so for many records on several threads.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from lodur.ingest.record_kinds import REENCODED, KeptBody, kept_body
from lodur.ingest.tenant_states import DECODINGS_MAX, IngestLimitsOf
from lodur.model.errors import LodurError
from lodur.model.limits import IngestLimits
from lodur.model.tenant import TenantId
from lodur.store.journal import WalRecord
from lodur.store.thread_priority import step_back
from lodur.wire.push_body import DecodedPush, PushLimits, decode, replay_limits

THREADS_MAX = 4
"""That decode ahead: more would only wait for the one that puts the rows in order into the heads."""

NICENESS = 10
"""Of the threads that decode, behind those that flush. A start over more rows than may stay in memory takes at least as
long as its flushes, one after the other, and these wait for the disk at times: decoding has that time. Else memory is
full before the first flush is done, and then nothing is decoded while a flush waits."""

JOB_BYTES = 512 << 10
"""Payloads that one thread decodes at a time: many small records cost as few changes of threads as one large one."""

AHEAD_BYTES = 12 << 20
"""Payloads that are decoded ahead, or being decoded; their rows are some three times as much."""


class RecordDecoder:
    """Any thread may decode."""

    def __init__(self, limits_of: IngestLimitsOf) -> None:
        self._limits_of = limits_of
        self._decodings: dict[tuple[IngestLimits, bytes], PushLimits] = {}

    def decode(self, tenant: TenantId, record: WalRecord) -> tuple[DecodedPush, KeptBody]:
        """The rows of a record, and the body that they came in. Raises InvalidRequest and LimitExceeded."""
        kept = kept_body(record.kind, record.payload)
        limits = PushLimits.unchecked() if record.kind == REENCODED else self._decoding(tenant, kept.otlp_mapping)
        return decode(kept.body, kept.form, limits, record.accepted_at_ns), kept

    def _decoding(self, tenant: TenantId, otlp_mapping: bytes) -> PushLimits:
        limits = self._limits_of(tenant)
        found = self._decodings.get((limits, otlp_mapping))
        if found is None:
            if len(self._decodings) >= DECODINGS_MAX:
                self._decodings.clear()
            found = self._decodings[limits, otlp_mapping] = replay_limits(limits, otlp_mapping)
        return found


@dataclass(frozen=True, slots=True)
class Decoded:
    """A record's rows, and the body that they came in."""

    tenant: TenantId
    push: DecodedPush
    kept: KeptBody


Job = Future[list[tuple[WalRecord, Decoded | LodurError]]]


def decoded_ahead(
    decoder: RecordDecoder, batches: Iterator[Sequence[WalRecord]], on_decoded: Callable[[Decoded], None]
) -> Generator[tuple[WalRecord, Decoded | LodurError]]:
    """Each record in its order, with its rows or why it cannot be read. Raises what `batches` raises.

    `on_decoded` is called for each that can be read, some time before it is given, in no order and on any thread.
    Who does not take all closes it: left to the garbage collector, it would wait for its threads in whatever place
    that begins, which may be one that holds a lock that ending threads need.
    """
    threads = min(os.cpu_count() or 1, THREADS_MAX)
    step_aside = partial(step_back, NICENESS)
    with (
        _until_closed(ThreadPoolExecutor(threads, "replay-decode", step_aside)) as pool,
        _until_closed(ThreadPoolExecutor(1, "replay-read")) as reader,
    ):
        jobs: deque[tuple[int, Job]] = deque()
        ahead_bytes = 0
        reading = reader.submit(next, batches, None)
        while (batch := reading.result()) is not None:
            reading = reader.submit(next, batches, None)
            for records in _jobs(batch):
                size_bytes = sum(len(record.payload) for record in records)
                while jobs and ahead_bytes + size_bytes > AHEAD_BYTES:
                    done_bytes, job = jobs.popleft()
                    yield from job.result()
                    ahead_bytes -= done_bytes
                jobs.append((size_bytes, pool.submit(_decode_all, decoder, records, on_decoded)))
                ahead_bytes += size_bytes
        while jobs:
            yield from jobs.popleft()[1].result()


@contextmanager
def _until_closed(pool: ThreadPoolExecutor) -> Generator[ThreadPoolExecutor]:
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _jobs(batch: Iterable[WalRecord]) -> Iterator[list[WalRecord]]:
    job: list[WalRecord] = []
    size_bytes = 0
    for record in batch:
        job.append(record)
        size_bytes += len(record.payload)
        if size_bytes >= JOB_BYTES:
            yield job
            job, size_bytes = [], 0
    if job:
        yield job


def _decode_all(
    decoder: RecordDecoder, records: Sequence[WalRecord], on_decoded: Callable[[Decoded], None]
) -> list[tuple[WalRecord, Decoded | LodurError]]:
    done: list[tuple[WalRecord, Decoded | LodurError]] = []
    for record in records:
        try:
            tenant = TenantId(record.tenant)
            push, kept = decoder.decode(tenant, record)
        except LodurError as error:
            done.append((record, error))
        else:
            decoded = Decoded(tenant, push, kept)
            on_decoded(decoded)
            done.append((record, decoded))
    return done
