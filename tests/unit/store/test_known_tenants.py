"""Which tenants a store knows of: those of whom something is taken, not every folder that could be one's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_HOUR
from lodur.store.compaction.options import CompactorOptions
from lodur.store.days import NS_PER_DAY
from tests.compacting_node import TENANT, Node

NOON_NS = 20_000 * NS_PER_DAY + 12 * NS_PER_HOUR
OPTIONS = CompactorOptions(retention_enabled=True)


def known(node: Node) -> list[str]:
    return [tenant_store.tenant.value for tenant_store in node.store.tenants()]


def test_a_folder_without_data_is_no_tenant(tmp_path: Path) -> None:
    node = Node(tmp_path, ManualClock(NOON_NS))
    node.push([("x", NOON_NS, "line")])
    node.flush()
    folder = tmp_path / node.target / "wal"
    (folder / "segments" / "1970-01-01").mkdir(parents=True)
    (folder / "leases").mkdir()
    (folder / "leases" / "1").write_bytes(b"x")
    # What another writer has not committed is nobody's either.
    (folder / "segments" / "1970-01-01" / "00000000-0000000000000001.parquet").write_bytes(b"x")
    node.stop()
    node.start()
    assert known(node) == [TENANT.value]
    node.store.find_days()
    node.store.discover(all_days=True)
    node.store.delete_orphans_of("11111111-1111-4111-8111-111111111111")
    assert known(node) == [TENANT.value]
    node.stop()


def test_requests_of_a_tenant_without_rows_are_carried_out_after_a_restart(tmp_path: Path) -> None:
    clock = ManualClock(NOON_NS)
    node = Node(tmp_path, clock, options=replace(OPTIONS, delete_cancel_period_ns=NS_PER_HOUR))
    # It knows of nobody when it starts.
    other = Node(tmp_path, clock, name="b", options=node.options)
    request_id = node.delete('{app="x"}', NOON_NS - NS_PER_HOUR, NOON_NS)
    other.store.find_days()
    assert known(other) == [TENANT.value]
    other.stop()
    node.stop()
    node.start()
    assert known(node) == [TENANT.value]
    clock.advance(2 * 3600.0)
    node.compact()
    assert node.statuses() == {request_id: "processed"}
    node.stop()
