"""Counters of the write path, named as dashboards for Loki expect them; Lodur's own begin with `lodur_`."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from lodur.telemetry.flush_metrics import FlushMetrics

TENANT_IDLE_S = 3600.0
"""After so long without a push a tenant's counters go; they begin at 0 again, as after a restart."""

TENANTS_COUNTED_MAX = 10_000
"""Tenants with counters at the same time, each a dozen series: beyond it those that pushed longest ago lose theirs."""

SWEEP_EVERY_S = 60.0


class IngestMetrics:
    """What pushes and flushes count."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lock = threading.Lock()
        self._seen_s: OrderedDict[str, float] = OrderedDict()
        """When each tenant with counters last pushed; longest ago first."""
        self._swept_s = 0.0

        def counter(name: str, doc: str, labels: Iterable[str] = ()) -> Counter:
            return Counter(name, doc, labels, registry=registry)

        self.bytes_received = counter(
            "loki_distributor_bytes_received_total", "Bytes of lines and metadata that were pushed.", ["tenant"]
        )
        self.lines_received = counter("loki_distributor_lines_received_total", "Lines that were pushed.", ["tenant"])
        self.discarded_lines = counter("loki_discarded_samples_total", "Lines refused.", ["reason", "tenant"])
        self.discarded_bytes = counter("loki_discarded_bytes_total", "Bytes refused.", ["reason", "tenant"])
        self.truncated_lines = counter("loki_mutated_samples_total", "Lines that were cut.", ["reason", "tenant"])
        self.repeated_rows = counter(
            "lodur_ingest_repeated_rows_total", "Accepted rows that were in the store already.", ["tenant"]
        )
        self.repeated_pushes = counter(
            "lodur_ingest_repeated_pushes_total", "Pushes answered without being kept again: retries.", ["tenant"]
        )
        self.flushes = FlushMetrics(registry)
        self.segments_damaged = counter("lodur_segments_set_aside_total", "Segments found damaged or missing.")
        self.wal_disk_full = counter(
            "loki_ingester_wal_disk_full_failures_total", "Pushes refused because the WAL's disk is full."
        )
        self.replay_active = Gauge(
            "loki_ingester_wal_replay_active", "1 while the WAL is read back.", registry=registry
        )
        self.replay_seconds = Gauge(
            "loki_ingester_wal_replay_duration_seconds", "How long the WAL took to be read back.", registry=registry
        )
        self.recovered_rows = counter("loki_ingester_wal_recovered_entries_total", "Rows found in the WAL.")
        self.recovered_bytes = counter("loki_ingester_wal_recovered_bytes_total", "Bytes of the records with them.")
        self.corruptions = counter(
            "loki_ingester_wal_corruptions_total", "Damage found in the WAL, as in lodur_wal_replay_problems.", ["type"]
        )
        self.replay_damage = counter("lodur_wal_replay_problems_total", "What was wrong in the WAL at start.")
        self._of_tenants = (
            self.bytes_received,
            self.lines_received,
            self.discarded_lines,
            self.discarded_bytes,
            self.truncated_lines,
            self.repeated_rows,
            self.repeated_pushes,
            self.flushes.stored,
            self.flushes.stored_size,
        )

    def seen(self, tenant: str, now_s: float) -> None:
        """A tenant pushes. From time to time, the counters of those that do no more are dropped. Any thread."""
        with self._lock:
            self._seen_s[tenant] = now_s
            self._seen_s.move_to_end(tenant)
            is_due = now_s - self._swept_s >= SWEEP_EVERY_S or len(self._seen_s) > TENANTS_COUNTED_MAX
            gone = self._gone(now_s) if is_due else set()
        if not gone:
            return
        for counter in self._of_tenants:
            # What pushes of these very tenants count meanwhile may be lost: that is a counter that begins anew.
            samples = [sample for family in counter.collect() for sample in family.samples]
            for labels in {tuple(sample.labels.items()): sample.labels for sample in samples}.values():
                if labels["tenant"] in gone:
                    counter.remove(*labels.values())

    def _gone(self, now_s: float) -> set[str]:
        self._swept_s = now_s
        surplus = len(self._seen_s) - TENANTS_COUNTED_MAX
        # A tenth more than must be: each look at all counters takes milliseconds.
        wanted = surplus + TENANTS_COUNTED_MAX // 10 if surplus > 0 else 0
        gone: set[str] = set()
        while self._seen_s:
            tenant, seen_s = next(iter(self._seen_s.items()))
            if len(gone) >= wanted and now_s - seen_s < TENANT_IDLE_S:
                break
            del self._seen_s[tenant]
            gone.add(tenant)
        return gone


@dataclass(frozen=True, slots=True)
class TenantSize:
    """A tenant's rows in memory."""

    tenant: str
    streams: int
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class WalSize:
    """The WAL's directory, and counts since it was opened."""

    files: int
    bytes: int
    records: int
    fsyncs: int
    disk_used_ratio: float
    """How full its disk is, from 0 to 1."""


class SizeCollector(Collector):
    """Sizes that are looked up when they are asked for."""

    def __init__(self, tenants: Callable[[], Iterable[TenantSize]], wal: Callable[[], WalSize | None]) -> None:
        self._tenants = tenants
        self._wal = wal

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        streams = GaugeMetricFamily("loki_ingester_memory_streams", "Active streams.", labels=["tenant"])
        rows = GaugeMetricFamily("lodur_head_rows", "Rows that are in no segment yet.", labels=["tenant"])
        sizes = GaugeMetricFamily("lodur_head_bytes", "Bytes of lines and metadata in memory.", labels=["tenant"])
        heads = 0
        for size in self._tenants():
            # Of many tenants most have nothing in memory, and no series then.
            if not size.streams and not size.bytes:
                continue
            streams.add_metric([size.tenant], size.streams)
            rows.add_metric([size.tenant], size.rows)
            sizes.add_metric([size.tenant], size.bytes)
            heads += size.rows > 0
        yield from (streams, rows, sizes)
        yield GaugeMetricFamily("loki_ingester_memory_chunks", "Tenants with rows in memory.", value=heads)
        wal = self._wal()
        if wal is not None:
            yield GaugeMetricFamily("lodur_wal_files", "Files of the WAL.", value=wal.files)
            yield GaugeMetricFamily("lodur_wal_bytes", "Bytes of the WAL.", value=wal.bytes)
            yield GaugeMetricFamily("lodur_wal_disk_used_ratio", "How full its disk is.", value=wal.disk_used_ratio)
            yield GaugeMetricFamily(
                "loki_ingester_wal_disk_usage_percent", "The same, by Loki's name.", value=wal.disk_used_ratio
            )
            yield CounterMetricFamily("lodur_wal_records", "Records appended.", value=wal.records)
            yield CounterMetricFamily(
                "loki_ingester_wal_records_logged", "The same, by Loki's name.", value=wal.records
            )
            yield CounterMetricFamily("lodur_wal_fsyncs", "Syncs of the WAL.", value=wal.fsyncs)
