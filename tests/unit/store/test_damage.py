"""Damaged files: what is found, what is set aside, and that the rest stays queryable."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import structlog

from lodur.kernels.segment import Segment
from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_S
from lodur.query.answers import StreamsAnswer
from lodur.query.requests import RangeRequest
from lodur.store.compaction.options import CompactionPolicy, CompactorOptions
from lodur.store.days import NS_PER_DAY, day_of
from lodur.store.filesystem_store import FilesystemStore
from lodur.store.manifest import decode_manifest
from lodur.store.manifest_store import manifest_path
from lodur.store.open_segments import OpenSegments
from tests.compacting_node import FOREVER_NS, TENANT, Node, Row

NOW_NS = 20_000 * NS_PER_DAY + NS_PER_DAY // 2


def rows(name: str, count: int = 20) -> list[Row]:
    return [("x", NOW_NS + number * NS_PER_S, f"{name} {number}") for number in range(count)]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """Two flushed segments of one day."""
    node = Node(tmp_path, ManualClock(NOW_NS))
    for name in "ab":
        node.push(rows(name))
        node.flush()
    return node


def restart(node: Node) -> None:
    node.stop()
    node.start()


def segment_file(node: Node, number: int) -> Path:
    return node.directory / node.target / node.tenant_store.live()[number].path


def manifest_file(node: Node) -> Path:
    return node.directory / node.target / manifest_path(TENANT, day_of(NOW_NS))


def flip(file: Path, offset: int) -> None:
    data = bytearray(file.read_bytes())
    data[offset] ^= 0x10
    file.write_bytes(bytes(data))


def line_page(file: Path) -> int:
    """A place in the lines of a segment, which stand behind the timestamps."""
    segment = Segment.open_file(file)
    return 4 + segment.sizes.timestamps + segment.sizes.lines // 2


def asked(node: Node) -> StreamsAnswer:
    start_ns, end_ns = FOREVER_NS
    request = RangeRequest(text='{app=~".+"}', start_ns=start_ns, end_ns=end_ns, step_ns=10**9, limit=100_000)
    answer = asyncio.run(node.engine.range((TENANT,), request))
    assert isinstance(answer, StreamsAnswer)
    return answer


def test_a_damaged_page_costs_its_segment_only_and_every_answer_says_so(node: Node) -> None:
    file = segment_file(node, 0)
    flip(file, line_page(file))
    path = node.tenant_store.live()[0].path
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            assert node.rows() == sorted(rows("b"))
            assert asked(node).warnings == (f"segment {path} cannot be read, its 20 entries are left out",)
    (told,) = [line for line in logs if line["log_level"] == "error"]
    assert told["path"] == path
    assert str(file) in told["err"]
    assert "at byte" in told["err"]
    restart(node)
    assert node.rows() == sorted(rows("b"))
    node.stop()


@pytest.mark.parametrize("offset", [-1, -4, -7])
def test_a_damaged_end_costs_its_segment_only(node: Node, offset: int) -> None:
    file = segment_file(node, 1)
    flip(file, offset)
    restart(node)
    assert node.rows() == sorted(rows("a"))
    assert len(asked(node).warnings) == 1
    node.stop()


def test_compaction_leaves_a_damaged_segment_where_it_is(node: Node) -> None:
    node.push(rows("c"))
    node.flush()
    file = segment_file(node, 1)
    flip(file, line_page(file))
    node.options = CompactorOptions(reader_grace_ns=0, policy=CompactionPolicy(settled_after_ns=0))
    restart(node)
    node.clock.advance(2 * 86_400)
    for _ in range(3):
        node.compact()
    assert file.exists()
    assert [meta.level for meta in node.tenant_store.live()] == [1, 0, 1]
    assert node.rows() == sorted(rows("a") + rows("c"))
    node.stop()


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty"])
def test_a_damaged_manifest_is_rebuilt_and_kept(node: Node, damage: str) -> None:
    file = manifest_file(node)
    data = file.read_bytes()
    cut = {"flipped": data.replace(b'"day": "2', b'"day": "3'), "cut": data[:-10], "empty": b""}[damage]
    file.write_bytes(cut)
    node.push(rows("c"))
    restart(node)
    assert node.rows() == sorted(rows("a") + rows("b") + rows("c"))
    node.flush()
    assert node.rows() == sorted(rows("a") + rows("b") + rows("c"))
    restart(node)
    assert node.rows() == sorted(rows("a") + rows("b") + rows("c"))
    (kept,) = (node.directory / node.target / str(TENANT) / "damaged").glob("*.json")
    assert kept.read_bytes() == cut
    node.stop()


def test_a_manifest_that_is_damaged_while_the_server_runs_is_rebuilt_by_the_next_flush(node: Node) -> None:
    flip(manifest_file(node), 100)
    node.push(rows("c"))
    node.flush()
    assert node.rows() == sorted(rows("a") + rows("b") + rows("c"))
    restart(node)
    assert node.rows() == sorted(rows("a") + rows("b") + rows("c"))
    node.stop()


def test_a_rebuilt_manifest_names_a_damaged_segment_still(node: Node) -> None:
    damaged = segment_file(node, 0)
    flip(damaged, -1)
    manifest_file(node).write_bytes(b"")
    for _ in range(2):
        restart(node)
        assert node.rows() == sorted(rows("b"))
        assert damaged.exists()
    node.stop()


class RemoteOnce(FilesystemStore):
    """A store without local files that flips a bit of the first answers."""

    flips_left = 0

    def local_path(self, path: str) -> Path | None:
        return None

    def get_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        parts = [bytearray(part) for part in super().get_ranges(path, ranges)]
        if self.flips_left:
            self.flips_left -= 1
            parts[0][-1] ^= 1
        return [bytes(part) for part in parts]


@pytest.mark.parametrize("flips", [1, 2])
def test_what_is_damaged_on_the_way_is_read_again(node: Node, flips: int) -> None:
    remote = RemoteOnce(node.directory / node.target)
    remote.flips_left = flips
    damaged: list[None] = []
    segments = OpenSegments(on_damage=lambda: damaged.append(None))
    opened = segments.open_all([(remote, node.tenant_store.live()[0])])
    assert (len(opened.segments), len(damaged)) == ((1, 0) if flips == 1 else (0, 1))
    segments.close()
    node.stop()


UNKNOWN_KIND = 0xEE


def quarantined(node: Node) -> list[Path]:
    return sorted((node.directory / "wal-a" / "quarantine").glob("[!.]*"))


def test_a_record_that_cannot_be_read_is_kept_when_the_log_is_trimmed(node: Node) -> None:
    node.wal.append("t", UNKNOWN_KIND, NOW_NS, b"from a later build")
    for _ in range(2):
        restart(node)
        node.push(rows("c"))
        node.flush()
    (kept,) = quarantined(node)
    facts, payload = kept.read_bytes().split(b"\n", 1)
    assert payload == b"from a later build"
    assert json.loads(facts)["kind"] == UNKNOWN_KIND
    assert json.loads(facts)["tenant"] == "t"
    assert node.rows() == sorted(rows("a") + rows("b") + rows("c"))
    node.stop()


def test_the_last_record_that_was_damaged_is_kept(node: Node) -> None:
    node.push(rows("c"))
    node.stop()
    newest = max((node.directory / "wal-a").glob("*.wal"))
    flip(newest, -1)
    torn = newest.read_bytes()
    node.start()
    (kept,) = quarantined(node)
    assert len(kept.read_bytes()) > 100
    assert torn.endswith(kept.read_bytes())
    node.stop()


def test_nothing_is_trimmed_where_nothing_can_be_put_aside(node: Node) -> None:
    node.wal.append("t", UNKNOWN_KIND, NOW_NS, b"from a later build")
    blocked = node.directory / "wal-a" / "quarantine"
    blocked.write_bytes(b"no folder")
    for name in "cd":
        restart(node)
        node.push(rows(name))
        node.flush()
    blocked.unlink()
    restart(node)
    assert quarantined(node)[0].read_bytes().endswith(b"from a later build")
    assert node.rows() == sorted(rows("a") + rows("b") + rows("c") + rows("d"))
    node.stop()


def test_a_manifest_that_is_rebuilt_again_and_again_is_taken_for_newer(node: Node) -> None:
    """Nothing of it says which revision it was: who goes on with the one before deletes what the new one names."""
    for name in "cde":
        manifest_file(node).write_bytes(b"{")
        node.refresh()
        day = node.tenant_store.days()[-1]
        known = node.tenant_store.known_day(day)
        assert known is not None
        assert known.manifest == decode_manifest(manifest_file(node).read_bytes(), "")
        node.push(rows(name))
        node.flush()
    assert {line for _, _, line in node.rows()} >= {line for name in "abcde" for _, _, line in rows(name)}
    node.stop()


def test_what_is_flushed_is_seen_after_a_tenants_directory_was_deleted(node: Node) -> None:
    shutil.rmtree(node.directory / node.target / TENANT.value)
    node.push(rows("c"))
    node.flush()
    assert node.rows() == rows("c")
    node.stop()


def test_what_is_flushed_is_seen_after_an_older_manifest_was_put_back(node: Node) -> None:
    older = manifest_file(node).read_bytes()
    node.push(rows("c"))
    node.flush()
    manifest_file(node).write_bytes(older)
    node.push(rows("d"))
    node.flush()
    assert sorted(node.rows()) == sorted([*rows("a"), *rows("b"), *rows("d")])
    restart(node)
    assert sorted(node.rows()) == sorted([*rows("a"), *rows("b"), *rows("d")])
    node.stop()
