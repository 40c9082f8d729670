"""Manifests: merging commits, choosing segments, the file."""

from __future__ import annotations

import tracemalloc
import uuid
from pathlib import Path

import pytest

from lodur.model.errors import CorruptData
from lodur.store.days import day_name, day_of, day_span, parse_day_name
from lodur.store.manifest import (
    Claim,
    DamagedManifest,
    Flushed,
    Manifest,
    Removal,
    RemovedSegment,
    Replaced,
    SegmentMeta,
    decode_manifest,
    encode_manifest,
    has_replaced,
    restored_manifest,
    segments_between,
    with_claim,
    with_flushed,
    with_replaced,
    without_claim,
    without_removed,
)
from lodur.store.manifest_store import Committed

COMPAT = Path(__file__).parents[2] / "compat" / "manifest"


def meta(segment_id: str, min_ts_ns: int = 0, max_ts_ns: int = 10) -> SegmentMeta:
    return SegmentMeta(
        segment_id, f"t/segments/d/{segment_id}.parquet", min_ts_ns, max_ts_ns, 3, 100, 60, streams=2, level=0
    )


def test_a_flush_adds_its_segment_and_covers_its_records() -> None:
    manifest = with_flushed(Manifest("2024-01-01"), Flushed(meta("a"), "w", 7))
    assert [segment.id for segment in manifest.segments] == ["a"]
    assert manifest.covered == {"w": 7}


def test_the_same_flush_twice_changes_nothing() -> None:
    once = with_flushed(Manifest("2024-01-01"), Flushed(meta("a"), "w", 7))
    assert with_flushed(once, Flushed(meta("a"), "w", 7)) == once


def test_flushes_of_two_writers_stand_side_by_side() -> None:
    manifest = with_flushed(Manifest("2024-01-01"), Flushed(meta("a"), "w", 7))
    manifest = with_flushed(manifest, Flushed(meta("b"), "v", 3))
    assert [segment.id for segment in manifest.segments] == ["a", "b"]
    assert manifest.covered == {"w": 7, "v": 3}


def test_coverage_never_shrinks() -> None:
    manifest = with_flushed(Manifest("2024-01-01"), Flushed(meta("b"), "w", 9))
    assert with_flushed(manifest, Flushed(None, "w", 7)).covered == {"w": 9}


def test_segments_are_chosen_by_time_and_ordered_by_day_and_commit() -> None:
    late = Manifest("2024-01-02", (meta("c", 100, 110),))
    early = Manifest("2024-01-01", (meta("a", 0, 10), meta("b", 5, 20)))
    assert [segment.id for segment in segments_between([late, early], 0, 1000)] == ["a", "b", "c"]
    assert [segment.id for segment in segments_between([late, early], 11, 100)] == ["b"]
    assert [segment.id for segment in segments_between([late, early], 20, 101)] == ["b", "c"]
    assert segments_between([late, early], 111, 200) == []


def test_a_manifest_comes_back_from_its_file() -> None:
    manifest = Manifest("2024-01-01", (meta("a"), meta("b", -5, 2**62)), {"w": 1, "v": 2**60})
    assert decode_manifest(encode_manifest(manifest), "x") == manifest


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b'{"version":1}', b'{"version":1,"day":3}', b'{"version":1,"day":"d","segments":[{}]}', b"\xff"],
)
def test_damage_is_told_with_the_path(data: bytes) -> None:
    with pytest.raises(CorruptData, match=r"t/manifest/d\.json: "):
        decode_manifest(data, "t/manifest/d.json")


def test_an_unknown_version_is_told() -> None:
    with pytest.raises(CorruptData, match="version 5 is not known, this build reads 1, 2, 3, 4") as raised:
        decode_manifest(b'{"version":5,"day":[]}', "x")
    assert not isinstance(raised.value, DamagedManifest)


def test_every_flipped_bit_of_a_manifest_is_found_and_undone() -> None:
    manifest = Manifest("2024-01-01", (meta("a"),), {"w": 1})
    data = encode_manifest(manifest)
    for place in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[place // 8] ^= 1 << place % 8
        try:
            found: Manifest | DamagedManifest = decode_manifest(bytes(damaged), "d.json")
        except DamagedManifest as error:
            found = error
        if isinstance(found, Manifest):
            # The copy is not looked at where it is not needed.
            assert found == manifest
            assert data.index(b'"copy": "') < place // 8 < data.index(b'",\n "day"')
        else:
            assert str(found).startswith("d.json: damaged manifest at byte 0: ")
            assert (found.path, found.offset) == ("d.json", 0)
        assert restored_manifest(bytes(damaged), "d.json") == manifest


def test_every_cut_of_a_manifest_is_found() -> None:
    data = encode_manifest(Manifest("2024-01-01", (meta("a"),), {"w": 1}))
    for length in range(len(data)):
        with pytest.raises(DamagedManifest):
            decode_manifest(data[:length], "d.json")


def test_version_1_is_read() -> None:
    data = (COMPAT / "v1" / "2024-01-31.json").read_bytes()
    assert decode_manifest(data, "x") == Manifest(
        day="2024-01-31",
        segments=(
            SegmentMeta(
                id="0f6c1e2a-000000000000002a",
                path="fake/segments/2024-01-31/0f6c1e2a-000000000000002a.parquet",
                min_ts_ns=1706659200000000000,
                max_ts_ns=1706745599999999999,
                rows=1000,
                line_bytes=120000,
                file_bytes=30000,
                streams=12,
                level=0,
            ),
        ),
        covered={"0f6c1e2a-7d3b-4c55-9a53-0a4b1c2d3e4f": 42},
    )


def test_version_2_is_read() -> None:
    data = (COMPAT / "v2" / "2024-01-31.json").read_bytes()
    manifest = decode_manifest(data, "x")
    assert b'"checksum"' not in data
    assert [segment.zstd_level for segment in manifest.segments] == [8]
    assert manifest.removed == (
        RemovedSegment("fake/segments/2024-01-31/0f6c1e2a-000000000000002a.parquet", 1706835600000000000),
    )
    assert manifest.claim == Claim("0f6c1e2a-7d3b-4c55-9a53-0a4b1c2d3e4f", 1706836500000000000)
    assert manifest.revision == 4


def test_version_3_is_read() -> None:
    data = (COMPAT / "v3" / "2024-01-31.json").read_bytes()
    manifest = decode_manifest(data, "x")
    assert {(segment.accepted_from_ns, segment.deletes_through) for segment in manifest.segments} == {(0, 0)}
    assert [segment.crc32 for segment in manifest.segments] == [0x1A2B3C4D]


def test_version_4_is_read() -> None:
    data = (COMPAT / "v4" / "2024-01-31.json").read_bytes()
    manifest = decode_manifest(data, "x")
    assert encode_manifest(manifest) == data
    assert [(one.accepted_from_ns, one.deletes_through) for one in manifest.segments] == [(1706659300000000000, 7)]
    assert [one.removals for one in manifest.removed] == [
        (Removal("17171a0c", 12, 1706832000000000000, "0f6c1e2a-7d3b-4c55-9a53-0a4b1c2d3e4f", ("0f6c1e2a-m3f2",)),)
    ]


def merged(name: str, *inputs: str) -> Replaced:
    return Replaced(tuple(map(meta, inputs)), (meta(name),) if name else (), 99)


FOUR = Manifest("2024-01-01", tuple(map(meta, "abcd")))


def test_a_merge_takes_the_place_of_its_last_input_and_lists_what_is_to_be_deleted() -> None:
    manifest = with_replaced(FOUR, merged("m", "a", "c"))
    assert [segment.id for segment in manifest.segments] == ["b", "m", "d"]
    assert manifest.removed == (RemovedSegment(meta("a").path, 99), RemovedSegment(meta("c").path, 99))
    assert has_replaced(manifest, merged("m", "a", "c"))
    assert with_replaced(manifest, merged("m", "a", "c")) == manifest


def test_a_merge_that_comes_late_changes_nothing() -> None:
    manifest = with_replaced(FOUR, merged("m", "a", "b"))
    late = merged("n", "b", "c")
    assert with_replaced(manifest, late) == manifest
    assert not has_replaced(manifest, late)


def test_a_merge_that_was_merged_again_is_still_known() -> None:
    manifest = with_replaced(with_replaced(FOUR, merged("m", "a", "b")), merged("n", "m", "c"))
    assert [segment.id for segment in manifest.segments] == ["n", "d"]
    assert has_replaced(manifest, merged("m", "a", "b"))


def test_segments_may_go_without_successors() -> None:
    manifest = with_replaced(FOUR, merged("", "b"))
    assert [segment.id for segment in manifest.segments] == ["a", "c", "d"]
    assert without_removed(manifest, frozenset({meta("b").path})).removed == ()


def test_a_flush_that_was_merged_before_its_answer_came_is_not_added_again() -> None:
    manifest = with_flushed(Manifest("2024-01-01"), Flushed(meta("a"), "w", 7))
    manifest = with_replaced(manifest, merged("m", "a"))
    assert with_flushed(manifest, Flushed(meta("a"), "w", 7)) == manifest


def test_a_flush_whose_segment_waits_to_be_deleted_is_not_added_to_a_rebuilt_manifest() -> None:
    """It does not know what is covered, and has merged the segment meanwhile."""
    rebuilt = with_replaced(Manifest("2024-01-01", (meta("a"),)), merged("b", "a"))
    again = with_flushed(rebuilt, Flushed(meta("a"), "w", 7))
    assert [segment.id for segment in again.segments] == ["b"]
    assert again.covered == {"w": 7}


def test_a_claim_holds_against_others_until_its_end() -> None:
    manifest = with_claim(Manifest("2024-01-01"), Claim("w", 100), 10)
    assert manifest.claim == Claim("w", 100)
    assert with_claim(manifest, Claim("v", 150), 50) == manifest
    assert with_claim(manifest, Claim("w", 150), 50).claim == Claim("w", 150)
    assert with_claim(manifest, Claim("v", 200), 100).claim == Claim("v", 200)
    assert without_claim(manifest, "v") == manifest
    assert without_claim(manifest, "w").claim is None


@pytest.mark.parametrize(
    ("ts_ns", "name"),
    [
        (0, "1970-01-01"),
        (-1, "1969-12-31"),
        (1706745599999999999, "2024-01-31"),
        (1706745600000000000, "2024-02-01"),
        (-(2**63), "1677-09-21"),
        (2**63 - 1, "2262-04-11"),
    ],
)
def test_days_have_names_and_spans(ts_ns: int, name: str) -> None:
    day = day_of(ts_ns)
    assert day_name(day) == name
    assert parse_day_name(name) == day
    assert day_span(day).contains(ts_ns)


@pytest.mark.parametrize("name", ["", "x", "20240131", "2024-1-31", "2024-02-30", "2024-W05-3"])
def test_other_names_are_no_days(name: str) -> None:
    assert parse_day_name(name) is None


@pytest.mark.parametrize("segments", [1, 100])
def test_memory_of_a_manifest_is_what_operators_are_told(segments: int) -> None:
    """As docs/how-to/store-in-a-bucket.md says: 600 bytes a segment, 650 a day."""

    def written(day: int) -> bytes:
        names = [f"{day:08x}-m{number:015x}" for number in range(segments)]
        metas = [
            SegmentMeta(
                id=name,
                path=f"tenant-{day}/segments/2024-01-31/{name}.parquet",
                min_ts_ns=1_700_000_000_000_000_000 + day,
                max_ts_ns=1_700_000_086_000_000_000 + day,
                rows=3_000_000 + day,
                line_bytes=2**30 + day,
                file_bytes=150_000_000 + day,
                streams=3_000 + day,
                level=2,
                zstd_level=6,
                crc32=12_345_678 + day,
                accepted_from_ns=1_700_000_000_000_000_000 + day,
                deletes_through=7,
            )
            for name in names
        ]
        covered = {str(uuid.UUID(int=day)): 2**40 + day}
        return encode_manifest(Manifest("2024-01-31", tuple(metas), covered=covered, revision=1000 + day))

    days = 200
    files = [written(day) for day in range(days)]
    tracemalloc.start()
    try:
        kept = [Committed(decode_manifest(file, "x"), f"{number:032x}") for number, file in enumerate(files)]
        held_bytes = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(kept) == days
    assert 0.8 <= held_bytes / days / (600 * segments + 650) <= 1.15
