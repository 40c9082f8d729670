"""`lodur verify` over a store on disk: what it finds, how it says so, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lodur.cli.main import lodur
from lodur.model.clock import ManualClock
from lodur.model.tenant import TenantId
from lodur.ruler.groups import GroupId
from lodur.ruler.leases import Leases
from lodur.ruler.rule_store import ObjectRules, with_group
from lodur.ruler.written import WrittenGroup, WrittenRule
from lodur.store.days import NS_PER_DAY
from lodur.store.manifest_store import commit
from lodur.store.object_wal.lease import Lease, write_lease
from lodur.store.object_wal.names import lease_path, object_path
from tests.compacting_node import Node

NOW_NS = 20_000 * NS_PER_DAY + 3600 * 10**9
"""2024-10-04, 01:00."""

WRITER = "0f0e0d0c-0b0a-4908-8706-050403020100"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """Two segments of two days, a delete request, and rules with a state."""
    node = Node(tmp_path, ManualClock(NOW_NS))
    node.push([("x", NOW_NS - day * NS_PER_DAY + row, f"line {day} {row}") for day in range(2) for row in range(50)])
    node.flush()
    node.delete('{app="y"}', 0, NOW_NS)
    store, tenant = node.store.stores.oldest(), TenantId("t")
    rules = WrittenGroup("g", rules=(WrittenRule(alert="A", expr="vector(1) > 9"),))
    ObjectRules([store]).change(tenant, lambda known: with_group(known, "ns", rules))
    assert Leases(store, "one", node.clock).take(GroupId(tenant, "ns", "g")) is not None
    yield node
    node.stop()


def verify(node: Node, *words: str) -> Result:
    directory = str(node.directory / node.target)
    return CliRunner().invoke(lodur, ["verify", "--directory", directory, *words], prog_name="lodur")


def files(node: Node) -> list[Path]:
    root = node.directory / node.target
    small = [*(root / "t" / "manifest").glob("[!.]*"), *(root / "t" / "deletes").rglob("[!.]*.json")]
    segments = [root / meta.path for meta in node.tenant_store.live()]
    others = [root / "t" / "rules" / "groups.json", *(root / "t" / "state").rglob("*.json")]
    return [*segments, *others, *sorted(small)]


def test_a_sound_store(node: Node) -> None:
    result = verify(node)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("2 segments of 2 days and 1 tenants, ")
    assert result.stderr.endswith(" 100 rows: 0 damaged or missing\n")
    told = json.loads(verify(node, "-o", "json").stdout)
    assert told["findings"] == []
    assert told["checked"]["rows"] == 100


def test_a_line_now_and_then_says_how_far_it_is(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lodur.cli.progress_lines.LINE_EVERY_S", 0.0)
    *said, total = verify(node).stderr.splitlines()
    assert said[-1].startswith("2 segments, ")
    assert ", 0 problems; t/" in said[-1]
    assert total.startswith("2 segments of 2 days")
    assert verify(node, "-q").stderr == ""


def test_any_flipped_bit_of_any_file_is_found(node: Node) -> None:
    """Also where only other programs would meet it."""
    assert write_lease(node.store.stores.oldest(), WRITER, Lease(WRITER), None) is not None
    for file in [node.directory / node.target / lease_path(WRITER), *files(node)]:
        data = file.read_bytes()
        for place in range(0, len(data), max(1, len(data) // 15)):
            damaged = bytearray(data)
            damaged[place] ^= 1 << place % 8
            file.write_bytes(bytes(damaged))
            result = verify(node, "-o", "json")
            assert result.exit_code == 1, (file, place)
            found = json.loads(result.stdout)["findings"]
            assert [one["kind"] for one in found] == ["damaged"], (file, place)
            assert found[0]["path"] == file.relative_to(node.directory / node.target).as_posix()
            assert found[0]["path"] in found[0]["text"]
        file.write_bytes(data)
    assert verify(node).exit_code == 0


def test_a_missing_and_an_unknown_object(node: Node) -> None:
    first, second = node.tenant_store.live()
    root = node.directory / node.target
    (root / first.path).unlink()
    result = verify(node)
    assert result.exit_code == 1
    assert result.stdout == f"missing  {first.path}: there is no such object\n"
    (root / first.path).write_bytes((root / second.path).read_bytes())
    result = verify(node, "-q")
    assert result.exit_code == 1
    assert "the manifest says" in result.stdout
    assert result.stderr == ""
    stranger = (root / first.path).with_name("stranger.parquet")
    (root / first.path).rename(stranger)
    folder = first.path.rpartition("/")[0]
    assert f"unknown  {folder}/stranger.parquet: " in verify(node).stdout


def test_only_one_tenant(node: Node) -> None:
    files(node)[0].unlink()
    commit(
        node.store.stores.oldest(), TenantId("u"), 20_000, None, lambda manifest: replace(manifest, covered={WRITER: 1})
    )
    assert verify(node, "--tenant", "u").exit_code == 0
    assert verify(node, "--tenant", "t").exit_code == 1


def test_a_store_that_cannot_be_read(node: Node) -> None:
    newer = files(node)[-1]
    newer.write_text('{"version": 99, "day": "2024-10-04"}')
    result = verify(node)
    assert result.exit_code == 3
    assert "the store could not be checked" in result.stderr
    assert "version 99 is not known" in result.stderr


def test_folders_without_anything_of_a_tenant_are_not_counted(node: Node) -> None:
    """That of the write-ahead logs is named as a tenant could be, and there may be one of that name."""
    objects = node.store.stores.oldest()
    assert write_lease(objects, WRITER, Lease(WRITER), None) is not None
    assert objects.replace_if(object_path(WRITER, 1), b"x", None) is not None
    assert objects.replace_if("wal/damaged/lease-1.json", b"x", None) is not None
    (node.directory / node.target / "lost+found").mkdir()
    assert " of 2 days and 1 tenants, " in verify(node).stderr
    assert verify(node, "--tenant", "wal").exit_code == 3
    commit(objects, TenantId("wal"), 20_000, None, lambda manifest: replace(manifest, covered={WRITER: 1}))
    assert " of 3 days and 2 tenants, " in verify(node).stderr


@pytest.mark.parametrize("path", ["segments/2024-01-31/x.parquet", "deletes/x", "rules/x", "state/ruler/x"])
def test_a_tenant_may_have_anything_of_its_own_alone(node: Node, path: str) -> None:
    assert node.store.stores.oldest().replace_if(f"alone/{path}", b"x", None) is not None
    assert " of 2 days and 2 tenants, " in verify(node).stderr


def test_what_was_put_aside_is_told(node: Node) -> None:
    manifest = files(node)[-1]
    manifest.write_bytes(manifest.read_bytes()[:-1])
    node.stop()
    node.start()
    result = verify(node)
    assert result.exit_code == 0
    assert result.stdout.startswith("aside ")
