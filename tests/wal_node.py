"""Processes with object WALs over one store, without HTTP or a clock of their own: every step is taken by hand.

A process pushes, sends groups, gives signs of life, flushes, follows, adopts, is frozen or dies; its calls of the
object store can be made to fail before or after they are carried out. Start at `WalNode`.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import CollectorRegistry

from lodur.ingest.adopting import Adopter
from lodur.ingest.following import Follower
from lodur.ingest.recent_pushes import RecentPushes
from lodur.kernels.push_decode import ContentEncoding, DecodedPush, PushFormat
from lodur.model.clock import ManualClock
from lodur.model.errors import Unavailable
from lodur.model.limits import IngestLimits, QueryLimits
from lodur.model.tenant import TenantId
from lodur.query.answers import StreamsAnswer
from lodur.query.delete_queries import plan_of_request
from lodur.query.engine import Engine
from lodur.query.options import QuerierOptions
from lodur.query.requests import RangeRequest
from lodur.store.deletes.deletions import Deletions
from lodur.store.filesystem_store import FilesystemStore
from lodur.store.journal import REENCODED, NoJournal
from lodur.store.manifest_store import Committed
from lodur.store.object_store import ListedObject, ObjectStore, StoredObject
from lodur.store.object_stores import ObjectStores
from lodur.store.object_wal.groups import Group
from lodur.store.object_wal.options import ObjectWalOptions
from lodur.store.object_wal.writing import ObjectWal
from lodur.store.store import Store
from lodur.telemetry.object_wal_metrics import ObjectWalMetrics
from lodur.wire.push_body import PushForm, PushLimits, decode
from tests.servers.process import wait_until

TENANTS = (TenantId("t"), TenantId("u"))

Row = tuple[str, str, int, str]
"""Tenant, application, timestamp, line."""

FOREVER_NS = (-(2**62), 2**62)

OPTIONS = ObjectWalOptions(interval_s=0.25, group_bytes=2000, lease_s=30.0)


ADOPTED_BYTES = 100
"""So few that an adoption writes several segments."""

DEADLINE_S = 30.0

LIMITS = IngestLimits()


class SkewedClock:
    """A machine's clock: it runs as the false one does, from another beginning, but for the time that it is frozen."""

    def __init__(self, clock: ManualClock, skew_s: float) -> None:
        self._clock = clock
        self._skew_s = skew_s
        self._frozen_at_s: float | None = None

    def now_ns(self) -> int:
        return self._clock.now_ns() + int(self._skew_s * 1e9)

    def monotonic_s(self) -> float:
        now_s = self._clock.monotonic_s() if self._frozen_at_s is None else self._frozen_at_s
        return now_s + self._skew_s

    def freeze(self) -> None:
        """Stand still, as in a machine that is suspended."""
        if self._frozen_at_s is None:
            self._frozen_at_s = self._clock.monotonic_s()

    def thaw(self) -> None:
        """Run on from where it stood."""
        if self._frozen_at_s is not None:
            self._skew_s -= self._clock.monotonic_s() - self._frozen_at_s
            self._frozen_at_s = None


class FailingStore(FilesystemStore):
    """A store whose n-th call from now on fails, carried out or not, or stands still; what is not asked for works."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.calls_left: int | None = None
        self.is_carried_out = False
        self.calls_to_stop: int | None = None
        self.stops_at = ""
        """Only calls for paths with this in them are counted to the standstill."""
        self.stands_still = threading.Event()
        self._goes_on = threading.Event()

    def go_on(self) -> None:
        """Carry out the call that stands still, and those after it."""
        self.calls_to_stop = None
        self._goes_on.set()

    def get(self, path: str) -> StoredObject | None:
        self._fail(path, before=True)
        return super().get(path)

    def put_file(self, path: str, source: Path) -> None:
        self._fail(path, before=not self.is_carried_out)
        super().put_file(path, source)
        self._end()

    def replace_if(self, path: str, data: bytes, version: str | None) -> str | None:
        self._fail(path, before=not self.is_carried_out)
        made = super().replace_if(path, data, version)
        self._end()
        return made

    def delete(self, path: str) -> None:
        self._fail(path, before=not self.is_carried_out)
        super().delete(path)
        self._end()

    def list_objects(self, prefix: str) -> list[ListedObject]:
        self._fail(prefix, before=True)
        return super().list_objects(prefix)

    def _fail(self, path: str, *, before: bool) -> None:
        if self.calls_to_stop is not None and self.stops_at in path:
            self.calls_to_stop -= 1
            if self.calls_to_stop < 0:
                self._goes_on.clear()
                self.stands_still.set()
                self._goes_on.wait(DEADLINE_S)
                self.stands_still.clear()
        if self.calls_left is not None:
            self.calls_left -= 1
            if before:
                self._end()

    def _end(self) -> None:
        if self.calls_left is not None and self.calls_left < 0:
            self.calls_left = None
            raise Unavailable("the object store has failed as it was told to")


class Push:
    """A push that waits for its answer, on a thread of its own as in a server."""

    def __init__(self, store: Store, tenant: TenantId, decoded: DecodedPush, rows: Sequence[Row], now_ns: int) -> None:
        self.rows = tuple(rows)
        self.is_acknowledged = False
        self._work = (store.tenant(tenant), decoded, now_ns)
        self._thread = threading.Thread(target=self._append, daemon=True)
        self._thread.start()

    def is_answered(self) -> bool:
        return not self._thread.is_alive()

    def wait(self) -> None:
        """Until it is answered, which must be about to happen."""
        self._thread.join(DEADLINE_S)
        assert self.is_answered()

    def _append(self) -> None:
        tenant_store, decoded, now_ns = self._work
        try:
            tenant_store.append(
                decoded, kind=REENCODED, payload=decoded.to_body(), accepted_at_ns=now_ns, now_s=now_ns / 1e9
            )
        except Unavailable:
            return
        self.is_acknowledged = True


@dataclass(eq=False)
class WalNode:
    """One process from its start to its end."""

    directory: Path
    time: ManualClock
    skew_s: float = 0.0
    options: ObjectWalOptions = OPTIONS
    pushes: list[Push] = field(default_factory=list)
    sending: list[tuple[Group, bytes]] = field(default_factory=list)
    is_frozen: bool = False
    faulty: ObjectStore | None = None
    """In place of a store that fails when it is told to."""
    writer_id: str | None = None
    """In place of one that differs with each run."""
    knows_deletes: bool = False
    """Whether it knows of delete requests."""
    older: tuple[ObjectStore, int] | None = None
    """Of an earlier period, and when that ended."""
    _frozen_work: threading.Thread | None = None

    def __post_init__(self) -> None:
        self.clock = SkewedClock(self.time, self.skew_s)
        self.objects = FailingStore(self.directory)
        objects = self.faulty or self.objects
        stores = ObjectStores([(-(2**63), objects)])
        if self.older is not None:
            older, until_ns = self.older
            stores = ObjectStores([(-(2**63), older), (until_ns, objects)])
        self.wal = ObjectWal(objects, self.options, self.clock, writer_id=self.writer_id)
        self.deletions = Deletions(objects, plan_of_request, self.clock) if self.knows_deletes else None
        self.store = Store(stores, self.wal, deletions=self.deletions)
        self.registry = CollectorRegistry()
        metrics, own_id = ObjectWalMetrics(self.registry), self.wal.writer_id
        self.shown_rows = 0
        self.follower = Follower(
            self.store,
            stores,
            lambda _: LIMITS,
            self.options,
            own_id=own_id,
            recent=RecentPushes(),
            on_rows=self._count_shown,
            clock=self.clock,
            metrics=metrics,
        )
        self.adopter = Adopter(
            self.store,
            stores,
            lambda _: LIMITS,
            self.options,
            own_id=own_id,
            flush_bytes=ADOPTED_BYTES,
            clock=self.clock,
            metrics=metrics,
        )
        self.engine = Engine(
            self.store, QuerierOptions(threads=1), self.clock, lambda _: QueryLimits(entries_max=0, length_max_ns=0)
        )
        self.follower.begin()
        self.store.load()
        self.wal.register()
        self.follower.poll()

    def push(self, rows: Sequence[Row]) -> Push:
        """Begin a push of one tenant's rows; returns when it waits for its group, or is refused."""
        (tenant,) = {TenantId(tenant) for tenant, *_ in rows}
        streams = [{"stream": {"app": app}, "values": [[str(ts_ns), line]]} for _, app, ts_ns, line in rows]
        form = PushForm(PushFormat.LOKI_JSON, ContentEncoding.IDENTITY)
        now_ns = self.clock.now_ns()
        decoded = decode(json.dumps({"streams": streams}).encode(), form, PushLimits.unchecked(), now_ns)
        before, _ = self.wal.waiting()
        pushed = Push(self.store, tenant, decoded, rows, now_ns)
        self.pushes.append(pushed)
        wait_until(
            lambda: pushed.is_answered() or self.wal.waiting()[0] > before, deadline_s=DEADLINE_S, what="the push"
        )
        return pushed

    def take_group(self) -> bool:
        """Close the next group that is due; it waits to be sent."""
        group = self.wal.take_group()
        if group is not None:
            self.sending.append((group, self.wal.encode(group)))
        return group is not None

    def send(self, place: int = 0) -> None:
        """Try to write one of the groups that wait to be sent. Raises as the store."""
        group, data = self.sending[place % len(self.sending)]
        try:
            if not self.wal.is_fenced():
                self.wal.attempt(group, data)
        finally:
            if group.is_durable or self.wal.is_fenced():
                self.sending.remove((group, data))
            self._wait_for_answers()

    def beat(self) -> None:
        """Give a sign of life. Raises as the store."""
        try:
            self.wal.beat()
            self.wal.delete_due()
        finally:
            self._wait_for_answers()

    def send_all(self) -> None:
        """Send and acknowledge all that waits. Raises as the store."""
        self.beat()
        while self.wal.waiting()[0] and not self.wal.is_fenced():
            self.time.advance(self.options.interval_s * 1.1)
            self.take_group()
            if self.sending:
                self.send()
            else:
                # All is durable, and waits for a sign of life.
                self.beat()

    def acknowledged(self, *bodies: Sequence[Row]) -> list[Row]:
        """Push these, each by itself, and send until all is acknowledged; their rows. Raises as the store."""
        pushes = [self.push(rows) for rows in bodies]
        self.send_all()
        assert all(push.is_acknowledged for push in pushes)
        return [row for rows in bodies for row in rows]

    def adopt_silent(self) -> None:
        """Wait until leases have run out for an observer, who gives signs of life itself, and adopt."""
        self.adopter.poll()
        for _ in range(4):
            self.time.advance(self.options.lease_s / 3)
            self.beat()
        self.adopter.poll()

    def flush(self) -> None:
        """All acknowledged rows to committed segments. Raises as the store."""
        self.begin_flush()
        self.finish_flush()

    def begin_flush(self) -> None:
        """Close the generations of all tenants: rows that come from now on are not in the flush."""
        self.send_all()
        for tenant_store in self.store.tenants():
            tenant_store.freeze()

    def finish_flush(self) -> None:
        """The rows of closed generations to committed segments. Raises as the store."""
        for tenant_store in self.store.tenants():
            for generation in tenant_store.unflushed():
                done: dict[int, Committed] = {}
                self.store.writer.flush(tenant_store, generation, done)
                tenant_store.flushed(generation, done)
        self.store.trim_wal()

    def rows(self) -> list[Row]:
        """All entries that a query finds here, each of which lies in one source only. Raises as the store."""
        stored = -1
        while stored != self._stored_rows():
            # A push that is answered meanwhile puts its rows into the head on its own thread.
            stored = self._stored_rows()
            found = self._shown_rows()
        # The query shows equal entries once; where they are stored twice, metrics would count them twice.
        is_all_shown = self.deletions is None or not any(self.deletions.known(tenant).requests for tenant in TENANTS)
        assert not is_all_shown or stored == len(found), found
        return found

    def _shown_rows(self) -> list[Row]:
        return self.rows_between(*FOREVER_NS)

    def rows_between(self, start_ns: int, end_ns: int) -> list[Row]:
        """What a query of a span finds here. Raises as the store."""
        request = RangeRequest(text='{app=~".+"}', start_ns=start_ns, end_ns=end_ns, step_ns=10**9, limit=100_000)
        found: list[Row] = []
        for tenant in TENANTS:
            if self.deletions is not None:
                self.deletions.refresh(tenant)
            answer = asyncio.run(self.engine.range((tenant,), request))
            assert isinstance(answer, StreamsAnswer)
            for one in json.loads(answer.result.streams_json(categorize=False)):
                found += [(tenant.value, one["stream"]["app"], int(ts_ns), line) for ts_ns, line in one["values"]]
        return sorted(found)

    def _stored_rows(self) -> int:
        count = 0
        for tenant_store in self.store.tenants():
            metas, views = tenant_store.snapshot(*FOREVER_NS)
            count += sum(meta.rows for meta in metas) + sum(view.rows for view in views)
        return count

    def freeze(self, work: Callable[[], None] | None = None, calls: int = 0, path: str = "") -> None:
        """Stand still, clock and all; in the midst of some work at a call of the store, where it makes so many."""
        if work is not None:
            self.objects.calls_to_stop, self.objects.stops_at = calls, path
            thread = self._frozen_work = threading.Thread(target=_quietly, args=(work,), daemon=True)
            thread.start()
            wait_until(
                lambda: not thread.is_alive() or self.objects.stands_still.is_set(),
                deadline_s=DEADLINE_S,
                what="the end of the work, or its standstill",
            )
        self.clock.freeze()
        self.is_frozen = True

    def thaw(self) -> None:
        """Go on, also with the work that was begun."""
        self.clock.thaw()
        self.is_frozen = False
        self.objects.go_on()
        if self._frozen_work is not None:
            self._frozen_work.join(DEADLINE_S)
            assert not self._frozen_work.is_alive()
            self._frozen_work = None

    def die(self) -> None:
        """Nothing of it goes on; who waits gets no answer."""
        self.wal.stop()
        self.engine.close()
        self.follower.close()
        self.store.journal = NoJournal()
        self.store.close()

    def _count_shown(self, _tenant: TenantId, push: DecodedPush) -> None:
        self.shown_rows += push.accepted_lines

    def _wait_for_answers(self) -> None:
        """Those that are answered by now put their rows into the head on their own threads."""
        waiting, _ = self.wal.waiting()
        unanswered = [push for push in self.pushes if not push.is_answered()]
        # Notices wait too.
        for push in unanswered[: max(0, len(unanswered) - waiting)]:
            push.wait()


def _quietly(work: Callable[[], None]) -> None:
    with suppress(Unavailable):
        work()
