"""One running server: its parts, how they start, and how they stop so that nothing acknowledged is lost.

The HTTP server listens before the store is read, so that `/ready` can say what is going on. Start at `build_server`.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import secrets
import signal
import socket
import threading
import time
from collections.abc import Sequence
from functools import partial

import structlog
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.server.embed import Server as HttpServer
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from starlette.routing import BaseRoute

from lodur.api import (
    loki_admin,
    loki_delete,
    loki_detected,
    loki_legacy,
    loki_limits,
    loki_metadata,
    loki_patterns,
    loki_push,
    loki_query,
    loki_rings,
    loki_status,
    loki_tail,
    loki_volume,
    otlp_push,
    profiles,
)
from lodur.api.access.login import KEY_BYTES, Login
from lodur.api.application import Gates, build_application
from lodur.api.loki_admin import ShutdownMark
from lodur.api.options import ServerOptions
from lodur.api.push_bodies import PushBodies
from lodur.api.tenant import Tenancy
from lodur.app.allocator import give_back_memory
from lodur.app.limits_in_force import LimitsInForce
from lodur.app.rules import Rules, build_rules
from lodur.app.shared_log import SharedLog
from lodur.app.store_waiting import STORE_RETRY_S, ask_until_answered, reason_to_wait
from lodur.config.printing import (
    changed_overrides_yaml,
    changed_yaml,
    default_yaml,
    effective_yaml,
    limits_yaml,
    overrides_yaml,
)
from lodur.config.server_config import ServerConfig
from lodur.config.targets import Role
from lodur.config.users_file import read_users
from lodur.ingest.disk_space import DiskSpace
from lodur.ingest.flush_policy import FlushPolicy
from lodur.ingest.flusher import Flusher
from lodur.ingest.quarantine import Quarantine
from lodur.ingest.replay import Replay
from lodur.ingest.writer import Writer
from lodur.model.clock import Clock
from lodur.model.errors import LodurError, Unavailable
from lodur.query.catalog import Catalog
from lodur.query.delete_queries import plan_of_request
from lodur.query.engine import Engine
from lodur.query.tail.tailing import Tailing
from lodur.store.compaction.compactor import Compactor
from lodur.store.delete_service import DeleteOptions, DeleteService
from lodur.store.deletes.deletions import Deletions
from lodur.store.journal import Journal, Wal
from lodur.store.object_stores import ObjectStores
from lodur.store.object_wal.lease import is_gone
from lodur.store.object_wal.writing import ObjectWal
from lodur.store.store import Store
from lodur.store.tenant_store import TenantStore
from lodur.store.write_probe import check_writes
from lodur.telemetry.access_metrics import AccessMetrics
from lodur.telemetry.build import register_build
from lodur.telemetry.compaction_metrics import CompactionMetrics
from lodur.telemetry.ingest_metrics import IngestMetrics, SizeCollector, TenantSize, WalSize
from lodur.telemetry.log import LevelSwitch
from lodur.telemetry.query_metrics import QueryMetrics, QueueCollector
from lodur.telemetry.request_metrics import RequestMetrics
from lodur.telemetry.runtime_config_metrics import RuntimeConfigMetrics
from lodur.telemetry.store_metrics import CacheMetrics, StoreMetrics
from lodur.telemetry.tail_metrics import TailMetrics
from lodur.telemetry.tracing import RequestTracer

BACKLOG = 1024
"""Connections that may wait to be accepted: more is better refused early."""

CONNECTIONS_MAX = 16_384
"""Open connections, nearly all of them agents' that wait for their next push; what requests may hold is bounded by
itself. Beyond it nobody new is answered, so it must be far more than there are agents."""

REQUEST_ID_BYTES = 4
"""Of delete requests: eight digits, as clients know them."""

STOPPING = "Application is stopping"

_log = structlog.get_logger(__name__)


class Server:
    """A server that can be run once."""

    def __init__(
        self,
        config: ServerConfig,
        stores: ObjectStores,
        journal: Journal,
        registry: CollectorRegistry,
        clock: Clock,
        tracer: RequestTracer | None = None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._tracer = tracer
        self._stop = asyncio.Event()
        self._stopping = threading.Event()
        self._reason: str | None = "starting"
        self._shutdown_mark = ShutdownMark()
        self.is_fenced = False
        """Others have taken this process for dead: it has to begin anew, with another writer's id."""
        self.registry = registry
        self._metrics = IngestMetrics(self.registry)
        self.limits = LimitsInForce(
            config.runtime,
            config.tenants,
            RuntimeConfigMetrics(self.registry),
            reader_grace_ns=config.compactor.reader_grace_ns,
        )
        options = config.ingester
        deletions = Deletions(
            stores.oldest(), plan_of_request, clock, mode_of=lambda tenant: self.limits.of(tenant).deletion_mode
        )
        cache_metrics = CacheMetrics(self.registry)
        self.store = open_store(config, stores, journal, self._metrics, cache_metrics, deletions)
        self._flusher = self._new_flusher()
        self._engine = Engine(self.store, config.querier, clock, self.limits.query, self.store, cache_metrics)
        self._tailing = self._new_tailing()
        compaction_metrics = CompactionMetrics(self.registry)
        self._deletes = _delete_service(self.store, deletions, config.deletes, clock, compaction_metrics)
        self._compactor = self._new_compactor(compaction_metrics)
        keeps_wal = isinstance(journal, Wal)
        self._disk = (
            DiskSpace(options.wal.directory, full_ratio=options.wal.disk_full_ratio, clock=clock) if keeps_wal else None
        )
        self._writer = Writer(
            self.store,
            self.limits.ingest,
            decompressed_max_bytes=config.server.push_decompressed_max_bytes,
            head_max_bytes=options.head_max_bytes,
            stream_errors_max=options.returned_stream_errors_max,
            disk=self._disk,
            clock=clock,
            metrics=self._metrics,
            on_growth=self._flusher.notice,
            on_rows=self._tailing.offer,
        )
        self._replay = self._new_replay(keeps_wal=keeps_wal)
        self._shared_log = self._new_shared_log(stores)
        self._rules = self._build_rules(journal)
        self._gates = _gates(config, self.registry, clock)
        self._register_sizes(journal)

    def _new_flusher(self) -> Flusher:
        options = self._config.ingester
        return Flusher(
            self.store,
            FlushPolicy(options.flush_bytes, options.flush_idle_s, options.flush_age_s, options.head_max_bytes),
            check_period_s=options.flush_check_period_s,
            concurrency=options.concurrent_flushes,
            stopping=self._stopping,
            clock=self._clock,
            metrics=self._metrics,
            when_quiet=give_back_memory,
        )

    def _new_compactor(self, metrics: CompactionMetrics) -> Compactor:
        return Compactor(
            self.store,
            self._config.compactor,
            retention=self.limits.retention,
            clock=self._clock,
            metrics=metrics,
            is_gone=partial(is_gone, self.store.stores.each()),
        )

    def _new_tailing(self) -> Tailing:
        return Tailing(
            self.store,
            self._clock,
            self.limits.query,
            self._engine.workplace,
            duration_max_s=self._config.querier.tail_duration_max_s,
            metrics=TailMetrics(self.registry),
            visible=self.store.visible,
        )

    def _new_replay(self, *, keeps_wal: bool) -> Replay:
        options = self._config.ingester
        return Replay(
            self.store,
            self.limits.ingest,
            self._writer.recent,
            learn_day=self._learn_day,
            flush=self._flusher.flush_now,
            flush_bytes=options.flush_bytes,
            memory_max_bytes=min(options.wal.replay_max_bytes, options.head_max_bytes),
            stopping=self._stopping,
            clock=self._clock,
            metrics=self._metrics,
            quarantine=Quarantine(options.wal.directory / "quarantine") if keeps_wal else None,
        )

    def _new_shared_log(self, stores: ObjectStores) -> SharedLog:
        return SharedLog(
            self._config,
            self.store,
            stores,
            limits_of=self.limits.ingest,
            recent=self._writer.recent,
            on_rows=self._tailing.offer,
            registry=self.registry,
            clock=self._clock,
        )

    def _build_rules(self, journal: Journal) -> Rules:
        return build_rules(
            self._config.ruler,
            self.store.stores,
            self._engine,
            self.limits,
            owner=journal.writer_id,
            clock=self._clock,
            registry=self.registry,
        )

    async def run(self) -> int:
        """Serve until a signal or `/ingester/shutdown`; the exit code."""
        self._handle_signals()
        self._handle_fencing()
        server = self._http_server()
        serving = asyncio.create_task(server.serve())
        starting = asyncio.create_task(self._start_up())
        stopped = asyncio.create_task(self._stop.wait())
        following = asyncio.create_task(self.limits.run())
        await asyncio.wait({serving, starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        flushing: asyncio.Task[None] | None = None
        compacting: asyncio.Task[None] | None = None
        sharing: asyncio.Task[None] | None = None
        ruling: asyncio.Task[None] | None = None
        is_started = starting.done() and starting.result()
        if is_started and not serving.done():
            flushing = asyncio.create_task(self._flusher.run())
            sharing = asyncio.create_task(self._shared_log.run())
            if Role.BACKEND in self._config.roles:
                compacting = asyncio.create_task(self._compactor.run())
                ruling = asyncio.create_task(self._rules.ruler.run())
            await asyncio.wait({serving, stopped, flushing}, return_when=asyncio.FIRST_COMPLETED)
        failed = serving.done() or (starting.done() and not is_started)
        self._reason = self._writer.closed_reason = STOPPING
        self._stopping.set()
        self._compactor.stop()
        self._shared_log.stop()
        self._rules.ruler.stop()
        await starting
        self._tailing.close()
        await self._tailing.drained()
        await self._close_http(server, serving)
        stopped.cancel()
        following.cancel()
        if ruling is not None:
            await ruling
        if compacting is not None:
            await compacting
        await asyncio.to_thread(self._compactor.close)
        if sharing is not None:
            await sharing
        await asyncio.to_thread(self._shared_log.close)
        kept = await self._close_parts(flushing)
        _log.info("stopped")
        return 0 if kept and not failed else 1

    def stop(self) -> None:
        """Begin the shutdown."""
        self._stop.set()

    async def _start_up(self) -> bool:
        """Read the store and the WAL; whether pushes and queries can be served. A failure is logged."""
        try:
            while not await asyncio.to_thread(self._load):
                if await asyncio.to_thread(self._stopping.wait, STORE_RETRY_S):
                    return False
            self._reason = self._replay.progress()
            replaying = asyncio.create_task(asyncio.to_thread(self._replay.run))
            while not replaying.done():
                await asyncio.wait({replaying}, timeout=0.5)
                self._reason = self._replay.progress()
            await replaying
        except Unavailable:
            if self._stopping.is_set():
                return False
            raise
        except (LodurError, OSError) as error:
            _log.error("cannot start", err=str(error))
            return False
        self._reason = None
        self._writer.closed_reason = ""
        _log.info("ready", url=server_url(self._config.server))
        return True

    def _learn_day(self, tenant_store: TenantStore, day: int) -> None:
        """Raises Unavailable where the server stops meanwhile."""
        ask_until_answered(lambda: self.store.learn_day(tenant_store, day), self._stopping)

    def _load(self) -> bool:
        reason = reason_to_wait(self._load_once)
        if reason is not None:
            self._reason = reason
        return reason is None

    def _load_once(self) -> None:
        if self._config.roles & {Role.WRITE, Role.BACKEND}:
            for store in self.store.stores.each():
                check_writes(store, self.store.journal.writer_id)
        self._shared_log.begin()
        self.store.load()
        self._shared_log.catch_up()

    async def _close_http(self, server: HttpServer, serving: asyncio.Task[None]) -> None:
        """Take no more connections and let requests under way finish."""
        if not serving.done():
            server.stop()  # type: ignore[no-untyped-call]  # granian leaves it without types
        timeout_s = self._config.server.graceful_shutdown_timeout_s or None
        done, _ = await asyncio.wait({serving}, timeout=timeout_s)
        if not done:
            _log.warning("requests that did not finish in time are dropped", timeout_s=timeout_s)
            serving.cancel()
        for task in done:
            if error := task.exception():
                _log.error("HTTP server has ended", err=str(error))

    async def _close_parts(self, flushing: asyncio.Task[None] | None) -> bool:
        """Flush or leave the rows to the WAL; whether every acknowledged push is kept."""
        if flushing is not None:
            flushing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await flushing
        await asyncio.to_thread(self._shared_log.stop_pushes)
        await asyncio.to_thread(self._writer.close)
        await asyncio.to_thread(self._engine.close)
        await asyncio.to_thread(self._tailing.join)
        if self._gates is not None:
            await asyncio.to_thread(self._gates.login.close)
        keeps_wal = self._config.ingester.wal.enabled
        asks_flush = self._config.ingester.flush_on_shutdown or self._shutdown_mark.is_set or not keeps_wal
        # What a fenced process holds is in segments, or soon will be, by the hand of another.
        wants_flush = asks_flush and not self.is_fenced
        is_flushed = await self._flusher.stop(flush=wants_flush and flushing is not None)
        if wants_flush and flushing is not None and not is_flushed:
            left = "they stay in the write-ahead log" if keeps_wal else "they are lost"
            _log.error("rows could not be flushed", then=left)
        self.store.close()
        return keeps_wal or is_flushed or flushing is None

    def _http_server(self) -> HttpServer:
        options = self._config.server
        app = build_application(
            self.routes(),
            path_prefix=options.path_prefix,
            compress_responses=options.compress_responses,
            log_slower_than_s=self._config.querier.log_slower_than_s,
            metrics=RequestMetrics(self.registry),
            clock=self._clock,
            not_ready_reason=lambda: self._reason,
            gates=self._gates,
            tracer=self._tracer,
            body_timeout_s=options.read_timeout_s,
            # Without tenants there is nobody to share with.
            busy_s=time.thread_time if self._config.auth_enabled else None,
        )
        tls = options.tls
        return HttpServer(
            app,
            address=options.host,
            port=options.port,
            interface=Interfaces.ASGINL,
            # Only over TLS do clients ask for HTTP/2; without, it would be surface for nobody's use.
            http=HTTPModes.auto if tls else HTTPModes.http1,
            backlog=BACKLOG,
            backpressure=CONNECTIONS_MAX,
            # The same timer runs while a kept connection waits for its next request.
            http1_settings=HTTP1Settings(header_read_timeout=int((options.idle_timeout_s or 3600.0) * 1000)),
            log_enabled=False,
            ssl_cert=tls.cert_file if tls else None,
            ssl_key=tls.key_file if tls else None,
            ssl_ca=tls.client_ca_file if tls else None,
            # With authorities and without this, a certificate is verified where one is given.
            ssl_client_verify=bool(tls and tls.client_cert_required),
            ssl_protocol_min=SSLProtocols(tls.min_version) if tls else SSLProtocols.tls12,
        )

    def routes(self) -> Sequence[BaseRoute]:
        """Everything that the server answers to."""
        config, clock = self._config, self._clock
        tenancy = Tenancy(config.auth_enabled, config.querier.multi_tenant_enabled)
        catalog = Catalog(self.store, clock, self.limits.query, self._engine.workplace)
        state = loki_status.ServerState(
            not_ready_reason=lambda: self._reason,
            config_text=lambda mode: _config_text(config, mode),
            services=lambda: config.targets,
            overrides_text=self._overrides_text,
        )
        routes: list[BaseRoute] = [
            *loki_rings.routes(socket.gethostname(), f"{config.server.host}:{config.server.port}", clock),
            *loki_status.routes(state, self.registry),
            *profiles.routes(clock),
            *loki_admin.routes(
                self._flusher.flush_all, self.stop, LevelSwitch(config.server.log_level), self._shutdown_mark
            ),
        ]
        if Role.WRITE in config.roles:
            routes += self._push_routes(tenancy)
        if Role.READ in config.roles:
            routes += self._query_routes(tenancy, catalog)
        if config.roles & {Role.READ, Role.BACKEND}:
            routes += self._rules.routes(tenancy)
            # Gateways made for Loki send these to its backend, and all else that asks to its readers.
            routes += loki_delete.routes(self._deletes, tenancy, clock)
        return routes

    def _push_routes(self, tenancy: Tenancy) -> list[BaseRoute]:
        options = self._config.server
        bodies = PushBodies(options.push_body_max_bytes, options.read_timeout_s)
        return [
            *loki_push.routes(self._writer, tenancy, bodies),
            *otlp_push.routes(self._writer, tenancy, bodies),
        ]

    def _query_routes(self, tenancy: Tenancy, catalog: Catalog) -> list[BaseRoute]:
        config, clock, options = self._config, self._clock, self._config.server
        return [
            *loki_query.routes(
                self._engine, tenancy, clock, QueryMetrics(self.registry), body_max_bytes=options.query_body_max_bytes
            ),
            *loki_legacy.routes(self._engine, tenancy, clock, body_max_bytes=options.query_body_max_bytes),
            *loki_metadata.routes(catalog, tenancy, clock, body_max_bytes=options.query_body_max_bytes),
            *loki_detected.routes(self._engine, catalog, tenancy, clock, body_max_bytes=options.query_body_max_bytes),
            *loki_patterns.routes(
                self._engine,
                tenancy,
                clock,
                enabled=config.querier.patterns_enabled,
                body_max_bytes=options.query_body_max_bytes,
            ),
            *loki_volume.routes(catalog, tenancy, clock, body_max_bytes=options.query_body_max_bytes),
            *loki_limits.routes(
                loki_limits.TenantFacts(
                    limits_of=self.limits.of,
                    text_of=lambda tenant: limits_yaml(self.limits.overrides.of(tenant)),
                    retention_ns_of=lambda tenant: self.limits.retention(tenant).period_ns,
                    patterns_enabled=config.querier.patterns_enabled,
                )
            ),
            *loki_tail.routes(self._engine, self._tailing, tenancy, clock),
        ]

    def _overrides_text(self, mode: str) -> str | None:
        if not self.limits.has_files:
            return None
        return (changed_overrides_yaml if mode == "diff" else overrides_yaml)(self.limits.overrides)

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()

        def on_signal(number: signal.Signals) -> None:
            _log.info("stopping", signal=number.name)
            # A second signal ends the process at once; the WAL has what is acknowledged.
            loop.remove_signal_handler(signal.SIGINT)
            loop.remove_signal_handler(signal.SIGTERM)
            self.stop()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, on_signal, number)

    def _handle_fencing(self) -> None:
        journal = self.store.journal
        if not isinstance(journal, ObjectWal):
            return
        loop = asyncio.get_running_loop()

        def on_fenced() -> None:
            self.is_fenced = True
            loop.call_soon_threadsafe(self.stop)

        journal.on_fenced = on_fenced

    def _register_sizes(self, journal: Journal) -> None:
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        register_build(self.registry, loki_version=loki_status.LOKI_VERSION)

        def tenants() -> list[TenantSize]:
            sizes = [(each.tenant.value, each.head_size()) for each in self.store.tenants()]
            return [
                TenantSize(tenant, size.streams, size.rows, size.bytes + size.frozen_bytes) for tenant, size in sizes
            ]

        def wal() -> WalSize | None:
            if not isinstance(journal, Wal):
                return None
            stats = journal.stats()
            try:
                used_ratio = 0.0 if self._disk is None else self._disk.used_ratio()
            except Unavailable:
                used_ratio = math.nan
            return WalSize(stats.files, stats.bytes, stats.records, stats.fsyncs, used_ratio)

        self.registry.register(SizeCollector(tenants, wal))
        workplace = self._engine.workplace
        self.registry.register(QueueCollector(lambda: workplace.running, lambda: workplace.waiting))


def _delete_service(
    store: Store, deletions: Deletions, options: DeleteOptions, clock: Clock, metrics: CompactionMetrics
) -> DeleteService:
    def new_id() -> str:
        return secrets.token_hex(REQUEST_ID_BYTES)

    return DeleteService(store, deletions, options, clock, new_id=new_id, metrics=metrics.deletes)


def _config_text(config: ServerConfig, mode: str) -> str:
    match mode:
        case "diff":
            return changed_yaml(config)
        case "defaults":
            return default_yaml()
        case _:
            return effective_yaml(config)


def _gates(config: ServerConfig, registry: CollectorRegistry, clock: Clock) -> Gates | None:
    """Raises InvalidRequest and OSError where the credentials cannot be read."""
    metrics = AccessMetrics(registry)
    if config.access is None:
        return None
    login = Login(config.access, key=secrets.token_bytes(KEY_BYTES), clock=clock, read_users=read_users)
    return Gates(config.access, login, config.auth_enabled, metrics)


def open_stores(config: ServerConfig, registry: CollectorRegistry, clock: Clock) -> ObjectStores:
    """The object stores of all periods; nothing is sent yet. Raises InvalidRequest for useless credentials."""
    return ObjectStores.of(
        config.storage,
        spool_directory=config.ingester.wal.directory / "spool",
        metrics=StoreMetrics(registry),
        clock=clock,
    )


def open_store(
    config: ServerConfig,
    stores: ObjectStores,
    journal: Journal,
    metrics: IngestMetrics,
    cache_metrics: CacheMetrics,
    deletions: Deletions,
) -> Store:
    """The store of all periods, with its caches; nothing is read yet."""
    return Store(
        stores,
        journal,
        segments=config.ingester.segments,
        on_damage=metrics.segments_damaged.inc,
        deletions=deletions,
        caches=config.caches,
        cache_metrics=cache_metrics,
    )


def server_url(options: ServerOptions) -> str:
    """Where the server answers."""
    host = f"[{options.host}]" if ":" in options.host else options.host
    return f"{'https' if options.tls else 'http'}://{host}:{options.port}{options.path_prefix}"
