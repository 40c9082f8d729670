"""Take a push: decode it, check it, make it durable, put it into the head, and say what became of it.

Blocking; called on the writer's own threads (`push` is the door for the event loop). When rows leave the head is
`flusher`'s affair. Start at `Writer.push`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass

from lodur.ingest.decode_slots import DecodeSlots
from lodur.ingest.disk_space import DiskSpace
from lodur.ingest.held_bodies import BUSY_RETRY_S, HeldBodies
from lodur.ingest.recent_pushes import RecentPushes
from lodur.ingest.record_kinds import REENCODED, KeptBody, kind_of, payload_of
from lodur.ingest.refusal_pace import RefusalPace
from lodur.ingest.stream_rules import BLOCKED, BrokenRule, blocked_text, refusal_text
from lodur.ingest.tenant_limits import StreamRefusal
from lodur.ingest.tenant_states import IngestLimitsOf, TenantState, TenantStates
from lodur.model.clock import Clock
from lodur.model.errors import LimitExceeded, Unavailable
from lodur.model.tenant import TenantId
from lodur.model.turnstile import Turnstile
from lodur.store.store import Store
from lodur.store.tenant_store import TenantStore
from lodur.telemetry.ingest_metrics import IngestMetrics
from lodur.wire.push_body import DecodedPush, PushForm, decode

PUSH_THREADS = 64
"""Pushes that wait for one sync together: more than this many clients gain nothing from a larger group."""

SPARE_THREADS = 8
"""Beyond these, for tenants of which no other push is under way: they do not wait for those of a tenant that floods."""

HEAVY_PUSHES_LEAST = 1
"""Of a tenant that pushes without a pause while others push too, where the WAL is as fast as memory."""

HEAVY_PUSH_EVERY_S = 0.004
"""How often such a tenant may push at least, which is often for one process. The slower the WAL is, the more of
them wait for it; more than needed for that rate would only stand in the way of what others send."""

APPEND_WEIGHT = 0.05
"""Of the latest append in the mean of their times."""

DECODES_AT_ONCE = 4
"""Bodies being decompressed and decoded, each up to its limit in memory; the processor has no more to give anyway."""

BODIES_HELD_BYTES_MAX = 512 << 20
"""Of the bodies that come in, wait or are being worked on; beyond it pushes are answered with 503."""

ROOM_WAIT_S = 5.0
"""How long a push waits for a flush to make room before it gets a 503: half of what agents wait for an answer."""

ANSWER_WITHIN_S = 8.0
"""Agents give up after ten seconds; a push that is not durable by then is answered with 503 while there is time."""

ROOM_POLL_S = 0.02
"""How often a waiting push looks for room; waiting ones are bounded by the bodies held."""

WHOLE, PARTIAL_OK, TOO_MUCH = 204, 400, 429


@dataclass(frozen=True, slots=True)
class PushOutcome:
    """The answer to a push: 204 without a text, else what was refused (the rest is kept).

    Streams that may not pass now go before entries that never may: the sender has to come again.
    """

    status: int
    text: str = ""


class Writer:
    """The one way in. `ready` says whether pushes are taken: not during replay, nor when stopping."""

    def __init__(
        self,
        store: Store,
        limits_of: IngestLimitsOf,
        *,
        decompressed_max_bytes: int,
        head_max_bytes: int,
        stream_errors_max: int,
        disk: DiskSpace | None,
        clock: Clock,
        metrics: IngestMetrics,
        on_growth: Callable[[TenantStore], None],
        on_rows: Callable[[TenantId, DecodedPush], None],
    ) -> None:
        self._store = store
        self._head_max_bytes = head_max_bytes
        self._disk = disk
        self._clock = clock
        self._metrics = metrics
        self._on_growth = on_growth
        self._on_rows = on_rows
        self._tenants = TenantStates(
            limits_of,
            decompressed_max_bytes=decompressed_max_bytes,
            listed_entries_max=stream_errors_max,
            clock=clock,
        )
        self._decodes = DecodeSlots(DECODES_AT_ONCE, clock)
        self._append_s = 0.0
        """What an append to the WAL takes of late; threads may overwrite each other's part in it."""
        self._turns = Turnstile(
            running_max=PUSH_THREADS, spare=SPARE_THREADS, heavy_max=HEAVY_PUSHES_LEAST, clock=clock
        )
        self._threads = ThreadPoolExecutor(PUSH_THREADS + SPARE_THREADS, "push")
        self.bodies = HeldBodies(BODIES_HELD_BYTES_MAX)
        """Whoever reads a body for `push` holds it here from its first byte on."""
        self.refusals = RefusalPace(clock)
        """When to answer pushes that were too much."""
        self.recent = RecentPushes()
        self.closed_reason = "starting"
        """Why pushes are refused; empty while they are taken."""

    async def push(self, tenant: TenantId, body: bytes, form: PushForm) -> PushOutcome:
        """Keep what may be kept of a body; durable and visible to queries on return.

        Raises InvalidRequest and LimitExceeded where nothing of it is kept, Unavailable where it is to come again.
        """
        if self.closed_reason:
            raise Unavailable(self.closed_reason, retry_after_s=BUSY_RETRY_S)
        await self._wait_for_room()
        self._store.journal.check_room()
        async with self._turns.turn(tenant.value):
            self._turns.let_heavy(HEAVY_PUSHES_LEAST + int(self._append_s / HEAVY_PUSH_EVERY_S))
            return await _answer(self._threads.submit(self.keep, tenant, body, form))

    async def _wait_for_room(self) -> None:
        """Slow senders down before they must be refused; nothing of the body has been decoded yet."""
        give_up_s = self._clock.monotonic_s() + ROOM_WAIT_S
        while self._store.head_bytes() >= self._head_max_bytes and not self.closed_reason:
            if self._clock.monotonic_s() >= give_up_s:
                raise Unavailable("too many rows wait to be flushed, try again later", retry_after_s=BUSY_RETRY_S)
            await asyncio.sleep(ROOM_POLL_S)

    def keep(self, tenant: TenantId, body: bytes, form: PushForm) -> PushOutcome:
        """`push`, blocking."""
        now_ns = self._clock.now_ns()
        state = self._tenants.of(tenant)
        blocked = blocked_text(tenant, state.limits, now_ns)
        with self._decodes.slot(tenant):
            push = decode(body, form, state.decoding.push_limits, now_ns)
        self._count_received(tenant, push)
        if blocked is not None:
            self._discard(tenant, BLOCKED, push.accepted_lines, push.accepted_bytes)
            return PushOutcome(state.limits.blocked_status, blocked)
        broken = state.rules.refused(push, now_ns)
        for rule in broken:
            self._discard(tenant, rule.reason, rule.lines, rule.size_bytes)
        wanted = push.without_streams([rule.stream for rule in broken]) if broken else push
        if wanted.accepted_lines:
            refused = self._keep_rows(tenant, state, wanted, KeptBody(form, body, state.decoding.otlp_mapping), now_ns)
            if refused:
                return PushOutcome(TOO_MUCH, str(refused[-1].error))
        return _outcome(push, broken)

    def close(self) -> None:
        """Wait for the pushes under way."""
        self._threads.shutdown()

    def _keep_rows(
        self, tenant: TenantId, state: TenantState, push: DecodedPush, body: KeptBody, now_ns: int
    ) -> list[StreamRefusal]:
        """Keep the accepted rows but for those of streams that may not pass now, which are told."""
        tenant_store = self._store.tenant(tenant)
        refused = self._check(tenant, state, push, tenant_store)
        if refused:
            push = push.without_streams([refusal.stream for refusal in refused])
            if not push.accepted_lines:
                return refused
        is_whole = push.all_accepted
        kind = kind_of(body.form) if is_whole else REENCODED
        through = tenant_store.forget_deleted(self._store.deletes_through(tenant, now_ns))
        keeping = (
            self.recent.keeping(tenant, kind, body.body, deletes_through=through) if is_whole else nullcontext(False)
        )
        with keeping as is_known:
            if is_known:
                self._metrics.repeated_pushes.labels(tenant.value).inc()
                return refused
            begun_s = self._clock.monotonic_s()
            appended = tenant_store.append(
                push,
                kind=kind,
                payload=payload_of(body) if is_whole else push.to_body(),
                accepted_at_ns=now_ns,
                now_s=begun_s,
            )
            self._append_s += (self._clock.monotonic_s() - begun_s - self._append_s) * APPEND_WEIGHT
        if appended.repeated_rows:
            self._metrics.repeated_rows.labels(tenant.value).inc(appended.repeated_rows)
        if appended.new_rows:
            self._on_rows(tenant, push)
        self._on_growth(tenant_store)
        return refused

    def _check(
        self, tenant: TenantId, state: TenantState, push: DecodedPush, tenant_store: TenantStore
    ) -> list[StreamRefusal]:
        if self._disk is not None and self._disk.is_full():
            self._metrics.wal_disk_full.inc()
            raise Unavailable("the disk of the write-ahead log is full", retry_after_s=BUSY_RETRY_S)
        if self._store.head_bytes() >= self._head_max_bytes:
            raise Unavailable("too many rows wait to be flushed, try again later", retry_after_s=BUSY_RETRY_S)
        try:
            refused = state.used.check(push, tenant_store, self._clock.monotonic_s())
        except LimitExceeded as error:
            self._discard(tenant, error.limit, push.accepted_lines, push.accepted_bytes)
            raise
        for refusal in refused:
            self._discard(tenant, refusal.error.limit, refusal.lines, refusal.size_bytes)
        return refused

    def _count_received(self, tenant: TenantId, push: DecodedPush) -> None:
        metrics, name = self._metrics, tenant.value
        metrics.seen(name, self._clock.monotonic_s())
        metrics.lines_received.labels(name).inc(push.received_lines)
        metrics.bytes_received.labels(name).inc(push.received_bytes)
        for problem in push.problems:
            metrics.discarded_lines.labels(problem.reason, name).inc(problem.lines)
            metrics.discarded_bytes.labels(problem.reason, name).inc(problem.bytes)
        if push.truncated_lines:
            metrics.truncated_lines.labels("line_too_long", name).inc(push.truncated_lines)

    def _discard(self, tenant: TenantId, reason: str, lines: int, size_bytes: int) -> None:
        self._metrics.discarded_lines.labels(reason, tenant.value).inc(lines)
        self._metrics.discarded_bytes.labels(reason, tenant.value).inc(size_bytes)


def _outcome(push: DecodedPush, broken: list[BrokenRule]) -> PushOutcome:
    """What became of a push whose every stream might have passed now."""
    problems = push.problems
    told = [rule for rule in broken if not rule.is_silent]
    if told:
        return PushOutcome(problems[0].status if problems else told[0].status, refusal_text(push, told))
    return PushOutcome(problems[0].status, push.refusal_text or "") if problems else PushOutcome(WHOLE)


async def _answer(job: Future[PushOutcome]) -> PushOutcome:
    """What became of a push that is being kept. Raises Unavailable where that takes too long."""
    try:
        # What is under way goes on: the same push, sent again, is then found to be kept.
        return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(job)), ANSWER_WITHIN_S)
    except TimeoutError:
        job.cancel()
        raise Unavailable("the write-ahead log is slow, try again later", retry_after_s=BUSY_RETRY_S) from None
