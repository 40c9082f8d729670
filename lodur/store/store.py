"""The store: all tenants' heads and segments, found again at start and read by queries.

Pushes come in through `lodur.ingest`, which also decides when to flush. Start at `Store.open` and `Store.sources`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import structlog
from prometheus_client import CollectorRegistry

from lodur.kernels.head import HeadView
from lodur.kernels.push_decode import DecodedPush
from lodur.model.errors import CorruptData, InvalidRequest, Unauthenticated, Unavailable
from lodur.model.tenant import TenantId
from lodur.store.days import day_name, day_of
from lodur.store.deletes.deletions import Deletions
from lodur.store.deletes.moved_requests import bring_requests
from lodur.store.deletes.requests import DeleteRequest
from lodur.store.foreign_rows import ForeignRecord
from lodur.store.journal import Journal
from lodur.store.manifest import SegmentMeta
from lodur.store.manifest_store import Committed, fence, sound_manifest, stored_days
from lodur.store.object_store import ObjectStore, is_remote
from lodur.store.object_stores import ObjectStores
from lodur.store.open_segments import Opened, OpenSegment, OpenSegments, Place, RemoteSegment
from lodur.store.options import CacheOptions, FlushOptions
from lodur.store.range_cache import RangeCache
from lodur.store.segment_flush import SegmentWriter, is_written_by, segment_day, segment_folder, segment_key
from lodur.store.segment_reads import SegmentReads
from lodur.store.tenant_store import HeadBytes, TenantStore
from lodur.store.wal_marks import WalMarks
from lodur.telemetry.store_metrics import CacheMetrics

LOAD_TENANTS = 8
"""Tenants read at the same time at start: a thousand of them would else take a minute of waiting for listings."""

LOAD_THREADS = 32
"""Manifests read at the same time at start: they wait for the network. Those of a directory are read one by one:
nothing waits there, and threads would only wait for each other."""

SOURCES_ATTEMPTS_MAX = 5
"""Each failed one means that another process has replaced segments meanwhile, which takes it seconds."""

ALL_TIMES_NS = (-(2**63), 2**63 - 1)

_log = structlog.get_logger(__name__)


def _nothing() -> None:
    """Nobody counts."""


def _nothing_missing(_tenant: TenantId, _start_ns: int, _end_ns: int) -> str:
    """Nobody follows what other processes do."""
    return ""


def _disk_cache(stores: ObjectStores, options: CacheOptions, metrics: CacheMetrics) -> RangeCache | None:
    """The cache on the disk; None where no store is remote, or none is wanted."""
    if options.disk_directory is None or not options.disk_bytes_max or not any(map(is_remote, stores.each())):
        return None
    return RangeCache(options.disk_directory, options.disk_bytes_max, metrics)


class Store:
    """All tenants' rows. Methods may be called from any thread; only `sources` is for the event loop."""

    def __init__(
        self,
        stores: ObjectStores,
        journal: Journal,
        *,
        segments: FlushOptions | None = None,
        on_damage: Callable[[], None] = _nothing,
        deletions: Deletions | None = None,
        caches: CacheOptions | None = None,
        cache_metrics: CacheMetrics | None = None,
    ) -> None:
        """Without `deletions` nobody can make delete requests, and those that were made are not looked for."""
        caches, cache_metrics = caches or CacheOptions(), cache_metrics or CacheMetrics(CollectorRegistry())
        self.journal = journal
        self.marks = WalMarks()
        self.writer = SegmentWriter(stores, journal.writer_id, segments or FlushOptions())
        self._stores = stores
        self._lock = threading.Lock()
        self._tenants: dict[TenantId, TenantStore] = {}
        self._head_bytes = HeadBytes()
        self._disk_cache = _disk_cache(stores, caches, cache_metrics)
        self._segments = OpenSegments(
            on_damage=on_damage,
            reads=SegmentReads(caches.small_ranges_bytes_max, self._disk_cache, cache_metrics),
            metadata_bytes_max=caches.metadata_bytes_max,
            metrics=cache_metrics,
        )
        self.deletions = deletions
        self.refusal = ""
        """Why queries would miss rows; empty as long as they would not."""
        self.refusal_of_span: Callable[[TenantId, int, int], str] = _nothing_missing
        """The same of a tenant's queries between two times."""

    @property
    def stores(self) -> ObjectStores:
        """Where all this lies."""
        return self._stores

    def load(self) -> None:
        """Read what is stored, and drop what a crash of this writer left without a commit. Blocks; before any push.

        Raises as `ObjectStore`, and CorruptData for a manifest that cannot be read.
        """
        for store in self._stores.each():
            store.check(self.writer.prefix())
        if self._disk_cache is not None:
            self._disk_cache.load()
        tenants = self._stored_tenants()
        if any(map(is_remote, self._stores.each())):
            with (
                ThreadPoolExecutor(LOAD_THREADS, "load-manifest") as threads,
                ThreadPoolExecutor(LOAD_TENANTS, "load-tenant") as tenant_threads,
            ):
                # Taken one by one, so that the first failure is raised.
                for _ in tenant_threads.map(lambda tenant: self._load_tenant(tenant, threads), tenants):
                    pass
        else:
            for tenant in tenants:
                self._load_tenant(tenant, None)
        if self.deletions is not None:
            self.deletions.note_stored(tenants)

    def tenant(self, tenant: TenantId) -> TenantStore:
        """A tenant's rows; a new tenant has none."""
        with self._lock:
            found = self._tenants.get(tenant)
            if found is None:
                found = self._tenants[tenant] = TenantStore(
                    tenant, self.journal, self.marks, self._head_bytes, self.writer.options
                )
            return found

    def tenants(self) -> list[TenantStore]:
        """All tenants that have data or delete requests, or were pushed to."""
        with self._lock:
            return list(self._tenants.values())

    def head_bytes(self) -> int:
        """Bytes of lines and metadata that all tenants hold in memory."""
        return self._head_bytes.total

    def follow(self, tenant: TenantId, writer_id: str, record: ForeignRecord, push: DecodedPush) -> int:
        """Show rows that another process has accepted, until segments have them; how many are new here."""
        return self.tenant(tenant).follow(writer_id, record, push)

    def foreign_bytes(self) -> int:
        """Bytes of lines and metadata of other processes' rows that are held here."""
        return sum(tenant_store.foreign_bytes() for tenant_store in self.tenants())

    def discover(self, *, all_days: bool) -> None:
        """Learn of tenants and days that other processes have brought, or read the manifests of all days anew. Blocks.

        Raises as `ObjectStore`, and CorruptData.
        """
        for store in self._stores.each():
            self.discover_in(store, all_days=all_days)

    def discover_in(self, store: ObjectStore, *, all_days: bool) -> None:
        """`discover` what lies in one of the stores; no other is asked. Raises CorruptData after all else is read."""
        refused: list[CorruptData] = []
        for tenant in self.tenants_in([store]):
            known = self._known(tenant)
            for day in self.days_in(store, tenant):
                if all_days or known is None or known.known_day(day) is None:
                    try:
                        self.read_day(tenant, day)
                    except CorruptData as error:
                        refused.append(error)
        if refused:
            raise refused[0]

    def read_day(self, tenant: TenantId, day: int) -> Committed | None:
        """`refresh` a day of a tenant who may be new."""
        known = self._known(tenant)
        day_known = known.known_day(day) if known is not None else None
        committed = sound_manifest(self._stores.of_day(day), tenant, day, day_known)
        if committed is not None:
            self.adopt(self.tenant(tenant), day, committed)
        return committed

    def delete_orphans_of(self, writer_id: str) -> None:
        """Delete what a writer that is gone for good left without a commit. Blocks.

        Raises as `ObjectStore`, and CorruptData.
        """
        for tenant in self._stored_tenants():
            self._drop_orphans(tenant, set(), writer_id)

    def trim_wal(self) -> int:
        """Delete the WAL's files that no tenant needs any more; how many."""
        return self.journal.trim(self.marks.floor())

    async def sources(self, tenant: TenantId, start_ns: int, end_ns: int) -> Sequence[HeadView | OpenSegment]:
        """All that may hold rows with `start_ns <= timestamp < end_ns`, oldest first; each row in one source only.

        Raises Unavailable where a remote store cannot be reached, or has manifests that could not be read.
        """
        if self.refusal:
            raise Unavailable(self.refusal, retry_after_s=1.0)
        if refusal := self.refusal_of_span(tenant, start_ns, end_ns):
            raise Unavailable(refusal, retry_after_s=1.0)
        tenant_store = self._known(tenant)
        if tenant_store is None:
            return []
        requests: Sequence[DeleteRequest] = ()
        if self.deletions is not None:
            await self.deletions.fresh(tenant)
            requests = self.deletions.hiding(tenant, start_ns, end_ns)
        for _ in range(SOURCES_ATTEMPTS_MAX):
            accepted_from_ns = tenant_store.accepted_from_ns()
            metas, views = tenant_store.snapshot(start_ns, end_ns)
            places: list[Place] = [(self._stores.of_day(day_of(meta.min_ts_ns)), meta) for meta in metas]
            segments = self._segments.cached(places)
            if segments is None:
                segments = await asyncio.to_thread(self._opened, tenant_store, places)
            if segments is not None and requests:
                segments = self._without_deleted(tenant, requests, metas, segments)
                views = [self._rows_without_deleted(tenant, requests, view, accepted_from_ns or 0) for view in views]
            if segments is not None:
                return [*segments, *views]
        raise Unavailable("segments are being replaced faster than they can be opened, try again", retry_after_s=1.0)

    def deletes_through(self, tenant: TenantId, at_ns: int) -> int:
        """The last delete request of a tenant that is not for what comes at a time, as all before it; 0 for none."""
        return self.deletions.through(tenant, at_ns) if self.deletions is not None else 0

    def visible(self, tenant: TenantId, view: HeadView) -> HeadView:
        """Rows that came just now, without those that a delete request hides."""
        if self.deletions is None:
            return view
        requests = [one for one in self.deletions.hiding(tenant, *ALL_TIMES_NS) if not one.is_processed]
        now_ns = self.deletions.now_ns()
        return self._rows_without_deleted(tenant, requests, view, now_ns) if requests else view

    def refresh(self, tenant_store: TenantStore, day: int) -> Committed | None:
        """Read a day's manifest, which another process may have committed; None where there is none. Blocks.

        Raises as `ObjectStore`, and CorruptData.
        """
        return self.read_day(tenant_store.tenant, day)

    def find_days(self) -> None:
        """Look for days that other processes have begun, or that the listing at the start did not have yet, and for
        tenants that have delete requests alone. Blocks.

        Raises as `ObjectStore`, and CorruptData.
        """
        for tenant in self._stored_tenants():
            if self._known(tenant) is None:
                self._note_requests(tenant)
        self.discover(all_days=False)

    def learn_day(self, tenant_store: TenantStore, day: int) -> None:
        """Read the manifest of a day by its name, before rows of it are put back from the WAL: the listing at the start
        may have been out of date, and rows that it covers would be in segments twice. Blocks.

        Where writes may be on their way still, one of the writer's last life must not bring such rows later: so the
        manifest is written anew. Raises as `ObjectStore`, and CorruptData.
        """
        store = self._stores.of_day(day)
        committed = (fence if is_remote(store) else sound_manifest)(store, tenant_store.tenant, day)
        if committed is not None:
            tenant_store.learn_day(day, committed)

    def adopt(self, tenant_store: TenantStore, day: int, committed: Committed) -> None:
        """Read a day's segments from now on as a newer manifest of it says."""
        before = tenant_store.known_day(day)
        tenant_store.adopt(day, committed)
        after = tenant_store.known_day(day)
        if before is not None and after is not None:
            live = {segment.path for segment in after.manifest.segments}
            self._segments.forget(segment.path for segment in before.manifest.segments if segment.path not in live)

    def open_segments(self, places: Sequence[Place]) -> Opened:
        """Segments for something else than a query. Blocks. Raises Unavailable."""
        return self._segments.open_all(places)

    def put_aside(self, meta: SegmentMeta, reason: str) -> None:
        """A segment was found damaged: queries go on without it."""
        self._segments.put_aside(meta, reason)

    def set_damaged_aside(self, tenant: TenantId, error: CorruptData) -> bool:
        """Go on without the segment that a query found damaged; whether there is one of that path."""
        for meta in self.tenant(tenant).live():
            local = self._stores.of_day(day_of(meta.min_ts_ns)).local_path(meta.path)
            if error.path in (meta.path, str(local)):
                self.put_aside(meta, str(error))
                return True
        return False

    def left_out(self, tenant: TenantId, start_ns: int, end_ns: int) -> list[str]:
        """The segments that queries of a span go on without, in words."""
        aside = self.set_aside()
        if not aside:
            return []
        return [
            f"segment {meta.path} cannot be read, its {meta.rows} entries are left out"
            for meta in self.tenant(tenant).live()
            if meta.path in aside and meta.min_ts_ns < end_ns and meta.max_ts_ns >= start_ns
        ]

    def set_aside(self) -> dict[str, str]:
        """Segments that are not read, by path, and why."""
        return self._segments.set_aside()

    def close(self) -> None:
        """Let go of the WAL and of threads; pushes and queries have ended."""
        self.journal.close()
        self._segments.close()
        if self.deletions is not None:
            self.deletions.close()

    def _without_deleted(
        self,
        tenant: TenantId,
        requests: Sequence[DeleteRequest],
        metas: Sequence[SegmentMeta],
        segments: Sequence[OpenSegment],
    ) -> list[OpenSegment]:
        """The segments of a snapshot, each read without what the requests take of it."""
        assert self.deletions is not None
        deletes = {segment_key(meta.path): self.deletions.for_segment(tenant, meta, requests) for meta in metas}
        found: list[OpenSegment] = []
        for segment in segments:
            taken = deletes[segment_key(segment.path)]
            if taken is None:
                found.append(segment)
            elif isinstance(segment, RemoteSegment):
                found.append(replace(segment, segment=segment.segment.without(taken)))
            else:
                found.append(segment.without(taken))
        return found

    def _rows_without_deleted(
        self, tenant: TenantId, requests: Sequence[DeleteRequest], view: HeadView, accepted_from_ns: int
    ) -> HeadView:
        assert self.deletions is not None
        taken = self.deletions.for_rows(tenant, accepted_from_ns, requests)
        return view if taken is None else view.without(taken)

    def _opened(self, tenant_store: TenantStore, places: Sequence[Place]) -> list[OpenSegment] | None:
        """The segments of a snapshot, opened; None where it was out of date and a newer one is to be taken."""
        opened = self._segments.open_all(places)
        is_stale = False
        for day in {day_of(meta.min_ts_ns) for meta in opened.missing}:
            committed = self.refresh(tenant_store, day)
            live = {segment.path for segment in committed.manifest.segments} if committed is not None else None
            for meta in opened.missing:
                if live is None or meta.path in live:
                    self._segments.put_aside(meta, "there is no such object")
                else:
                    is_stale = True
        return None if is_stale else opened.segments

    def _stored_tenants(self) -> list[TenantId]:
        return self.tenants_in(self._stores.each())

    def tenants_in(self, stores: Sequence[ObjectStore]) -> list[TenantId]:
        """Who has something in these stores. Blocks. Raises as `ObjectStore`."""
        names = sorted({name for store in stores for name in store.list_folders("")})
        tenants: list[TenantId] = []
        for name in names:
            try:
                tenants.append(TenantId(name))
            except (InvalidRequest, Unauthenticated):
                _log.warning("folder of the object store is no tenant's, left alone", folder=name)
        return tenants

    def _known(self, tenant: TenantId) -> TenantStore | None:
        with self._lock:
            return self._tenants.get(tenant)

    def days_in(self, store: ObjectStore, tenant: TenantId) -> list[int]:
        """The days that have a manifest in a store and are looked for there."""
        return [day for day in stored_days(store, tenant) if self._stores.of_day(day) is store]

    def _load_tenant(self, tenant: TenantId, threads: ThreadPoolExecutor | None) -> None:
        if self.deletions is not None:
            bring_requests(self._stores, tenant)
            self._note_requests(tenant)
        places = [(store, day) for store in self._stores.each() for day in stored_days(store, tenant)]
        elsewhere = [day for store, day in places if self._stores.of_day(day) is not store]
        if elsewhere:
            _log.warning(
                "days are stored where schema_config does not look for them: are its periods complete",
                tenant=tenant.value,
                first=day_name(min(elsewhere)),
                last=day_name(max(elsewhere)),
                days=len(elsewhere),
            )
        places = [(store, day) for store, day in places if self._stores.of_day(day) is store]

        def read(place: tuple[ObjectStore, int]) -> tuple[int, Committed | None]:
            return place[1], sound_manifest(place[0], tenant, place[1])

        read_all = threads.map(read, places) if threads is not None else map(read, places)
        days = {day: committed for day, committed in read_all if committed is not None}
        if days:
            self.tenant(tenant).set_days(days)
        named = {path for committed in days.values() for path in _named(committed)}
        self._drop_orphans(tenant, named, self.writer.writer_id)

    def _note_requests(self, tenant: TenantId) -> None:
        """Read a tenant's delete requests, which are to be worked on even where it has no rows."""
        if self.deletions is not None and self.deletions.refresh(tenant).revision:
            self.tenant(tenant)

    def _drop_orphans(self, tenant: TenantId, known: set[str], writer_id: str) -> None:
        """`known` are the objects that manifests name, as far as they were read; what is missing of that is read."""
        # At the start no row is in memory yet: rows that a commit has brought meanwhile must not come from the WAL too.
        is_own = writer_id == self.writer.writer_id
        read: set[int] = set()
        for store in self._stores.each():
            for listed in store.list_objects(segment_folder(tenant)):
                # Where the periods have changed, a day's manifest may lie in a store that is not read for it any more.
                day = segment_day(listed.path)
                if day is None or self._stores.of_day(day) is not store:
                    continue
                if listed.path in known or not is_written_by(writer_id, listed.path):
                    continue
                if day not in read:
                    read.add(day)
                    committed = sound_manifest(store, tenant, day)
                    if committed is not None:
                        self._take(tenant, day, committed, is_own=is_own)
                        known |= _named(committed)
                if listed.path not in known:
                    # A commit of the writer's last life that names it may still be on its way to the store.
                    committed = fence(store, tenant, day)
                    self._take(tenant, day, committed, is_own=is_own)
                    known |= _named(committed)
                    if listed.path not in known:
                        _log.info("segment that was never committed is removed", path=listed.path)
                        store.delete(listed.path)

    def _take(self, tenant: TenantId, day: int, committed: Committed, *, is_own: bool) -> None:
        tenant_store = self.tenant(tenant)
        if is_own:
            tenant_store.learn_day(day, committed)
        else:
            self.adopt(tenant_store, day, committed)


def _named(committed: Committed) -> set[str]:
    """The objects that a manifest knows, live or not."""
    manifest = committed.manifest
    return {segment.path for segment in manifest.segments} | {segment.path for segment in manifest.removed}
