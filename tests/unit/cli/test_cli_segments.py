"""`lodur segments` over a store on disk: what it lists, describes, and finds wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lodur.cli.main import lodur
from lodur.model.clock import ManualClock
from lodur.store.manifest import SegmentMeta
from tests.compacting_node import Node

T0_NS = 20_000 * 86_400 * 10**9
"""2024-10-04."""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """Eight flushes of one day that became a segment, and one that came later."""
    node = Node(tmp_path, ManualClock(T0_NS + 3600 * 10**9))
    for number in range(9):
        node.push([(f"app-{number}", T0_NS + row, f"line {number} {row}") for row in range(number + 1)])
        node.flush()
        if number == 7:
            node.compact()
    yield node
    node.stop()


def segments(node: Node, *words: str) -> Result:
    directory = str(node.directory / node.target)
    return CliRunner().invoke(lodur, ["segments", "--directory", directory, *words], prog_name="lodur")


def live(node: Node) -> list[SegmentMeta]:
    return list(node.tenant_store.live())


def test_live_segments_are_listed(node: Node) -> None:
    result = segments(node, "ls")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["TENANT", "DAY", "LEVEL", "ZSTD", "ROWS", "RAW", "STORED", "FROM", "TO", "ID"]
    merged, flushed = live(node)
    assert lines[1].split()[:5] == ["t", "2024-10-04", "1", "1", "36"]
    assert lines[1].split()[-1] == merged.id
    assert lines[2].split()[-1] == flushed.id
    assert "2 segments" in result.stderr
    assert "8 replaced ones wait" in result.stderr


def test_other_tenants_are_left_out(node: Node) -> None:
    assert segments(node, "--tenant", "t", "ls").stderr.startswith("2 segments")
    rules = node.directory / node.target / "u" / "rules" / "groups.json"
    rules.parent.mkdir(parents=True)
    rules.write_bytes(b"{}")
    other = segments(node, "--tenant", "u", "ls")
    assert other.exit_code == 0
    assert other.stderr.startswith("0 segments")


def test_a_segment_is_described(node: Node) -> None:
    result = segments(node, "inspect", live(node)[0].id)
    assert result.exit_code == 0
    assert "codec             zstd-1\n" in result.stdout
    assert "rows              36\n" in result.stdout
    assert "streams           8\n" in result.stdout
    assert 'app="app-7"' in result.stdout
    unknown = segments(node, "inspect", "nothing")
    assert unknown.exit_code == 1
    assert "there is no live segment 'nothing'" in unknown.stderr


def test_a_whole_store_is_verified(node: Node) -> None:
    result = segments(node, "verify")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert result.stderr.endswith("2 segments, 0 damaged\n")


def test_damage_and_strangers_are_told(node: Node) -> None:
    merged, flushed = live(node)
    path = node.objects.local_path(merged.path)
    gone = node.objects.local_path(flushed.path)
    assert path is not None
    assert gone is not None
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)
    gone.rename(gone.with_name("stranger.parquet"))
    result = segments(node, "verify")
    assert result.exit_code == 1
    assert f"damaged   {merged.path}: " in result.stdout
    assert f"damaged   {flushed.path}: there is no such object" in result.stdout
    assert "stranger.parquet: " in result.stdout
    assert "no manifest names" in result.stdout
    assert "2 segments, 2 damaged" in result.stderr


def test_a_configuration_says_where_the_store_is(node: Node, tmp_path: Path) -> None:
    config = tmp_path / "lodur.yaml"
    config.write_text(f"storage_config: {{filesystem: {{directory: {node.directory / node.target}}}}}\n")
    result = CliRunner().invoke(lodur, ["segments", "--config-file", str(config), "ls"])
    assert result.exit_code == 0, result.stderr
    assert "2 segments" in result.stderr


def test_options_may_stand_behind_the_sub_command(node: Node) -> None:
    directory = str(node.directory / node.target)
    before = segments(node, "--tenant", "t", "ls")
    after = CliRunner().invoke(lodur, ["segments", "ls", "--tenant", "t", "--directory", directory])
    assert after.exit_code == 0
    assert after.output == before.output != segments(node, "ls", "--tenant", "other").output
    one = live(node)[0].id
    assert segments(node, "inspect", one, "--tenant", "t").exit_code == 0
    assert segments(node, "inspect", "--tenant", "other", one).exit_code == 1


def test_damaged_and_missing_segments_are_told_when_described(node: Node) -> None:
    merged, flushed = live(node)
    root = node.directory / node.target
    os.truncate(root / merged.path, 300)
    (root / flushed.path).unlink()
    result = segments(node, "inspect", merged.id)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {merged.path} is damaged: ")
    result = segments(node, "inspect", flushed.id)
    assert (result.exit_code, result.stderr) == (1, f"Error: {flushed.path} is missing\n")
