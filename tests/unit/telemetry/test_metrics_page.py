"""Every metric has its line in the reference, and no line is without a metric."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from lodur.telemetry.access_metrics import AccessMetrics
from lodur.telemetry.build import register_build
from lodur.telemetry.compaction_metrics import CompactionMetrics
from lodur.telemetry.ingest_metrics import IngestMetrics, SizeCollector, TenantSize, WalSize
from lodur.telemetry.object_wal_metrics import ObjectWalCollector, ObjectWalMetrics, ObjectWalSize
from lodur.telemetry.query_metrics import QueryMetrics, QueueCollector
from lodur.telemetry.request_metrics import RequestMetrics
from lodur.telemetry.ruler_metrics import RulerMetrics
from lodur.telemetry.runtime_config_metrics import RuntimeConfigMetrics
from lodur.telemetry.store_metrics import CacheMetrics, StoreMetrics
from lodur.telemetry.tail_metrics import TailMetrics

NAMES_OF_LOKI = (Path(__file__).parent / "loki_metric_names.txt").read_text(encoding="utf-8").split()
"""Names that dashboards and alerts for Loki read."""

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"


def test_the_reference_names_every_metric() -> None:
    registry = CollectorRegistry()
    IngestMetrics(registry)
    RequestMetrics(registry)
    AccessMetrics(registry)
    TailMetrics(registry)
    CompactionMetrics(registry)
    RuntimeConfigMetrics(registry)
    QueryMetrics(registry)
    register_build(registry, loki_version="3")
    RulerMetrics(registry)
    StoreMetrics(registry)
    CacheMetrics(registry)
    ObjectWalMetrics(registry)
    registry.register(QueueCollector(lambda: 1, lambda: 2))
    registry.register(SizeCollector(lambda: [TenantSize("t", 1, 2, 3)], lambda: WalSize(1, 2, 3, 4, 0.5)))
    registry.register(ObjectWalCollector(lambda: ObjectWalSize(1, 2, 3, 4, 5, 6, 7)))
    made = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in registry.collect()
        if family.name.startswith(("loki_", "lodur_"))
    }
    named = set(re.findall(r"`((?:loki|lodur)_\w+)(?:\{[\w,]+\})?`", "\n".join(table_of(PAGE.read_text()))))
    assert named == made


@pytest.mark.parametrize("name", NAMES_OF_LOKI)
def test_every_name_that_dashboards_for_loki_use_is_served_or_told_to_be_missing(name: str) -> None:
    assert f"`{name}`" in PAGE.read_text() or f"`{name}{{" in PAGE.read_text()


def table_of(text: str) -> list[str]:
    """The first column of the page's table."""
    return [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
