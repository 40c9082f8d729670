"""Volumes and index statistics, from heads and from segments."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lodur.kernels.segment import Segment
from lodur.logql.parser import parse_selector
from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_MS
from lodur.model.errors import NotFound
from lodur.model.label_set import LabelSet
from lodur.model.limits import QueryLimits
from lodur.model.tenant import TenantId
from lodur.model.time_span import TimeSpan
from lodur.query.catalog import Catalog
from lodur.query.options import QuerierOptions
from lodur.query.volumes import Volume, VolumeBy, VolumeRequest, bucket_edges, bucket_times
from lodur.query.workplace import Workplace
from tests.memory_store import MemoryStore, segment_file

T0_NS = 1_700_000_040 * 10**9
S = 10**9
TENANT = TenantId("t")
MINUTE = TimeSpan(T0_NS, T0_NS + 60 * S)
LIMITS = QueryLimits()


def workplace() -> Workplace:
    return Workplace(QuerierOptions(threads=1), ManualClock(T0_NS))


STREAMS = {
    "app=a,env=prod": [(T0_NS + k * S, "x" * 100) for k in range(10)],
    "app=a,env=test": [(T0_NS + k * S, "x" * 10) for k in range(10)],
    "app=b": [(T0_NS, "x" * 3000)],
}


@pytest.fixture(params=["head", "segment"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> MemoryStore:
    store = MemoryStore()
    if request.param == "head":
        store.add_head("t", STREAMS)
    else:
        store.by_tenant[TENANT] = [Segment.open_file(segment_file(tmp_path / "a.parquet", STREAMS))]
    return store


def ask(
    store: MemoryStore,
    selector: str,
    *,
    span: TimeSpan = MINUTE,
    limits: QueryLimits = LIMITS,
    limit: int = 100,
    step_ns: int | None = None,
    targets: tuple[str, ...] = (),
    by: VolumeBy = VolumeBy.SERIES,
    tenants: tuple[TenantId, ...] = (TENANT,),
) -> dict[str, tuple[int, ...]]:
    catalog = Catalog(store, ManualClock(T0_NS), lambda _: limits, workplace())
    parsed = parse_selector(selector, allow_empty_compatible=True)
    request = VolumeRequest(parsed, span, limit, step_ns, targets, by)
    _, volumes = asyncio.run(catalog.volumes(tenants, request))
    return {str(volume.labels): volume.bytes for volume in volumes}


def test_labels_of_the_matchers_tell_volumes_apart(store: MemoryStore) -> None:
    assert ask(store, '{app=~".+"}') == {'{app="b"}': (3000,), '{app="a"}': (1100,)}


def test_without_matchers_all_labels_do(store: MemoryStore) -> None:
    found = ask(store, "{}")
    assert list(found) == ['{app="b"}', '{app="a", env="prod"}', '{app="a", env="test"}']
    assert sum(size for (size,) in found.values()) == 4100


def test_streams_without_a_target_label_do_not_count(store: MemoryStore) -> None:
    assert ask(store, '{app=~".+"}', targets=("env",)) == {'{env="prod"}': (1000,), '{env="test"}': (100,)}
    assert ask(store, '{app=~".+"}', targets=("env", "none")) == {}


def test_label_names_can_be_counted(store: MemoryStore) -> None:
    assert ask(store, '{app=~".+"}', by=VolumeBy.LABELS) == {'{app=""}': (4100,), '{env=""}': (1100,)}
    assert ask(store, '{app=~".+"}', by=VolumeBy.LABELS, targets=("env",)) == {'{env=""}': (1100,)}


def test_only_the_largest_are_told(store: MemoryStore) -> None:
    assert list(ask(store, '{app=~".+"}', limit=1)) == ['{app="b"}']
    assert list(ask(store, '{app=~".+"}', limits=QueryLimits(volume_series_max=1))) == ['{app="b"}']


def test_buckets_add_up_to_the_whole(store: MemoryStore) -> None:
    found = ask(store, '{app="a"}', step_ns=4 * S)
    assert sum(found['{app="a"}']) == 1100
    # Rows at seconds 0 to 9 after a multiple of four: two full buckets and a rest.
    first, second, rest = found['{app="a"}'][:3]
    assert min(first, second) > 280
    assert 0 < rest < 330


def test_tenants_are_added_up(store: MemoryStore) -> None:
    store.add_head("u", {"app=a": [(T0_NS, "x" * 50)]})
    assert ask(store, '{app="a"}', tenants=(TENANT, TenantId("u"))) == {'{app="a"}': (1150,)}


def test_no_volumes_where_they_are_switched_off(store: MemoryStore) -> None:
    with pytest.raises(NotFound, match=r"^not found$"):
        ask(store, '{app="a"}', limits=QueryLimits(volume_enabled=False))


def test_statistics_round_streams_down_to_kib(store: MemoryStore) -> None:
    catalog = Catalog(store, ManualClock(T0_NS), lambda _: QueryLimits(), workplace())
    selector = parse_selector('{app=~".+"}')
    stats = asyncio.run(catalog.coverage(TENANT, selector, TimeSpan(T0_NS, T0_NS + 60 * S)))
    assert (stats.streams, stats.entries, stats.bytes, stats.kib_bytes) == (3, 21, 4100, 2048)
    half = asyncio.run(catalog.coverage(TENANT, selector, TimeSpan(T0_NS, T0_NS + 5 * S)))
    assert half.streams == 3
    assert abs(half.entries - 11) <= 2


def test_segments_of_version_1_share_out_the_bytes_of_blocks() -> None:
    museum = Path(__file__).parents[2] / "compat" / "segment"
    sizes = {}
    for version in ("v1", "v2"):
        store = MemoryStore()
        store.by_tenant[TENANT] = [Segment.open_file(museum / version / "entries.parquet")]
        sizes[version] = ask(store, "{}", span=TimeSpan(0, 2**62), limits=QueryLimits(length_max_ns=0))
    assert sizes["v1"].keys() == sizes["v2"].keys() != set()
    # Version 1 knew lines only.
    assert all(0 < sizes["v1"][labels][0] < sizes["v2"][labels][0] for labels in sizes["v1"])


def test_buckets_lie_at_multiples_of_the_step() -> None:
    edges = bucket_edges(TimeSpan(5 * S, 21 * S), 8 * S)
    assert edges == [5 * S, 8 * S, 16 * S, 21 * S]
    assert bucket_times(edges) == [8 * S - NS_PER_MS, 16 * S - NS_PER_MS, 21 * S]
    assert bucket_edges(TimeSpan(5 * S, 5 * S), None) == [5 * S, 5 * S]
    assert Volume(LabelSet(), (0, 3, 0)).buckets == 1
