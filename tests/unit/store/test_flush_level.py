"""Which flushes are compressed for good: large segments of long runs, told by day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from lodur.kernels.head import Head
from lodur.kernels.push_decode import ContentEncoding, DecodedPush, PushFormat
from lodur.model.limits import MIB
from lodur.model.tenant import TenantId
from lodur.store.days import NS_PER_DAY
from lodur.store.filesystem_store import FilesystemStore
from lodur.store.flush_level import (
    FAST_ZSTD_LEVEL,
    FOR_GOOD_BYTES_MIN,
    FOR_GOOD_RUN_ROWS_MIN,
    RowCount,
    RowsOfDay,
    zstd_level_of,
)
from lodur.store.journal import REENCODED, NoJournal
from lodur.store.manifest import SegmentMeta
from lodur.store.manifest_store import Committed
from lodur.store.object_stores import ObjectStores
from lodur.store.options import FlushOptions, SegmentCodec
from lodur.store.store import Store
from lodur.wire.push_body import PushForm, PushLimits, decode

DAY = 20_000
JSON = PushForm(PushFormat.LOKI_JSON, ContentEncoding.IDENTITY)
GOOD = RowsOfDay(rows=10 * FOR_GOOD_RUN_ROWS_MIN, streams=10, bytes=FOR_GOOD_BYTES_MIN)
OPTIONS = FlushOptions(cold_zstd_level=5)


@pytest.mark.parametrize(
    ("rows", "options", "level"),
    [
        (GOOD, OPTIONS, 5),
        (GOOD, FlushOptions(), 6),
        (replace(GOOD, bytes=FOR_GOOD_BYTES_MIN - 1), OPTIONS, FAST_ZSTD_LEVEL),
        (replace(GOOD, rows=GOOD.rows - 1), OPTIONS, FAST_ZSTD_LEVEL),
        (replace(GOOD, streams=GOOD.streams + 1), OPTIONS, FAST_ZSTD_LEVEL),
        (None, OPTIONS, FAST_ZSTD_LEVEL),
        (GOOD, replace(OPTIONS, cold_zstd_level=0), FAST_ZSTD_LEVEL),
        (GOOD, replace(OPTIONS, codec=SegmentCodec.LZ4), FAST_ZSTD_LEVEL),
    ],
)
def test_large_flushes_of_long_runs_are_for_good(rows: RowsOfDay | None, options: FlushOptions, level: int) -> None:
    assert zstd_level_of(rows, options) == level


def push(day: int, rows: int, line_bytes: int, apps: Sequence[str] = ("x",)) -> DecodedPush:
    """So many rows in each stream of a day."""
    first_ns, line = day * NS_PER_DAY, "x" * line_bytes
    streams = [
        {"stream": {"app": app}, "values": [[str(first_ns + row), f"{row:08}{line[8:]}"] for row in range(rows)]}
        for app in apps
    ]
    return decode(orjson.dumps({"streams": streams}), JSON, PushLimits.unchecked(), 0)


def test_the_rows_of_an_only_day_are_known_at_once() -> None:
    head = Head()
    head.insert(push(DAY, 3, 10, "xy"))
    count = RowCount(head)
    head.freeze()
    assert count.of_day(DAY, is_only_day=True) == RowsOfDay(6, 2, 60)
    assert count.of_day(DAY, is_only_day=False) is None


def test_days_are_told_apart_where_the_rows_are_many() -> None:
    head = Head()
    head.insert(push(DAY, 65, MIB))
    head.insert(push(DAY + 1, 2, 10, "xyz"))
    count = RowCount(head)
    head.freeze()
    head.insert(push(DAY, 5, 10))
    assert count.of_day(DAY, is_only_day=False) == RowsOfDay(65, 1, 65 * MIB)
    assert count.of_day(DAY + 1, is_only_day=False) == RowsOfDay(6, 3, 60)
    # While they wait for their flush, they are in all that is seen of the head.
    head.insert(push(DAY, 65, MIB))
    assert RowCount(head).of_day(DAY, is_only_day=False) is None


def flushed(directory: Path, pushes: Sequence[DecodedPush], options: FlushOptions) -> list[SegmentMeta]:
    """The segments of one flush, by day."""
    store = Store(ObjectStores([(0, FilesystemStore(directory))]), NoJournal(), segments=options)
    tenant_store = store.tenant(TenantId("t"))
    for one in pushes:
        tenant_store.append(one, kind=REENCODED, payload=b"", accepted_at_ns=0, now_s=0.0)
    generation = tenant_store.freeze()
    assert generation is not None
    done: dict[int, Committed] = {}
    store.writer.flush(tenant_store, generation, done)
    store.close()
    return [segment for day in sorted(done) for segment in done[day].manifest.segments]


def test_each_day_of_a_flush_has_its_level(tmp_path: Path) -> None:
    line_bytes = FOR_GOOD_BYTES_MIN // FOR_GOOD_RUN_ROWS_MIN
    pushes = [push(DAY, FOR_GOOD_RUN_ROWS_MIN, line_bytes), push(DAY + 1, 10, 100)]
    levels = {
        options: [segment.zstd_level for segment in flushed(tmp_path / str(number), pushes, options)]
        for number, options in enumerate((OPTIONS, replace(OPTIONS, codec=SegmentCodec.SNAPPY)))
    }
    assert list(levels.values()) == [[5, FAST_ZSTD_LEVEL], [0, 0]]
