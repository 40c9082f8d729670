"""Counters by tenant are bounded: those of tenants that push no more go."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from lodur.telemetry.ingest_metrics import TENANT_IDLE_S, TENANTS_COUNTED_MAX, IngestMetrics


def push(metrics: IngestMetrics, tenant: str, now_s: float) -> None:
    metrics.seen(tenant, now_s)
    metrics.lines_received.labels(tenant).inc()
    metrics.discarded_lines.labels("rate_limited", tenant).inc(2)


def test_a_tenant_that_pushes_no_more_has_no_counters() -> None:
    registry = CollectorRegistry()
    metrics = IngestMetrics(registry)
    push(metrics, "idle", 100.0)
    push(metrics, "busy", 100.0)
    push(metrics, "busy", 100.0 + TENANT_IDLE_S)
    lines, refused = "loki_distributor_lines_received_total", "loki_discarded_samples_total"
    assert registry.get_sample_value(lines, {"tenant": "busy"}) == 2
    assert registry.get_sample_value(lines, {"tenant": "idle"}) is None
    assert registry.get_sample_value(refused, {"reason": "rate_limited", "tenant": "busy"}) == 4
    assert registry.get_sample_value(refused, {"reason": "rate_limited", "tenant": "idle"}) is None
    push(metrics, "idle", 101.0 + TENANT_IDLE_S)
    assert registry.get_sample_value(lines, {"tenant": "idle"}) == 1


def test_tenants_with_counters_are_bounded() -> None:
    registry = CollectorRegistry()
    metrics = IngestMetrics(registry)
    for number in range(TENANTS_COUNTED_MAX + 10):
        metrics.seen(f"t{number}", 100.0)
        metrics.lines_received.labels(f"t{number}").inc()
    (family,) = metrics.lines_received.collect()
    assert len([sample for sample in family.samples if sample.name.endswith("_total")]) <= TENANTS_COUNTED_MAX
    assert registry.get_sample_value("loki_distributor_lines_received_total", {"tenant": "t0"}) is None
