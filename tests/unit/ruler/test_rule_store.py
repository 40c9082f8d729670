"""Where rules are kept: objects, and files."""

from __future__ import annotations

from pathlib import Path

import pytest

from lodur.model.errors import CorruptData, LimitExceeded, NotFound, Unavailable
from lodur.model.limits import Limits, RuleLimits
from lodur.model.tenant import TenantId
from lodur.ruler.configuration import RuleConfiguration
from lodur.ruler.rule_store import (
    LocalRules,
    Namespaces,
    ObjectRules,
    ReadOnly,
    rules_path,
    with_group,
    without_group,
)
from lodur.ruler.written import WrittenGroup, WrittenRule
from lodur.store.filesystem_store import FilesystemStore

TENANT, OTHER = TenantId("t"), TenantId("u")
RULE = WrittenRule(alert="A", expr="vector(1)")


def group(name: str, rules: int = 1) -> WrittenGroup:
    return WrittenGroup(name, rules=(RULE,) * rules)


def configuration(store: ObjectRules, limits: RuleLimits | None = None) -> tuple[RuleConfiguration, list[str]]:
    told: list[str] = []
    held = Limits(rules=limits or RuleLimits())
    return RuleConfiguration(store, lambda _: held, lambda: told.append("changed")), told


@pytest.fixture
def store(tmp_path: Path) -> ObjectRules:
    return ObjectRules([FilesystemStore(tmp_path)])


def names(namespaces: Namespaces) -> dict[str, list[str]]:
    return {name: [one.name for one in groups] for name, groups in namespaces.items()}


async def changes(store: ObjectRules) -> None:
    rules, told = configuration(store)
    await rules.put(TENANT, "b/ü", group("2"))
    await rules.put(TENANT, "b/ü", group("1"))
    await rules.put(TENANT, "a", group("3"))
    await rules.put(TENANT, "a", group("3", rules=2))
    assert names(await rules.namespaces(TENANT)) == {"a": ["3"], "b/ü": ["1", "2"]}
    assert len((await rules.group(TENANT, "a", "3")).rules) == 2
    assert await rules.namespaces(OTHER) == {}
    await rules.delete_group(TENANT, "b/ü", "2")
    await rules.delete_group(TENANT, "b/ü", "2")
    await rules.delete_namespace(TENANT, "a")
    assert names(await rules.namespaces(TENANT)) == {"b/ü": ["1"]}
    with pytest.raises(NotFound, match="group namespace does not exist"):
        await rules.delete_namespace(TENANT, "a")
    with pytest.raises(NotFound, match="group does not exist"):
        await rules.group(TENANT, "b/ü", "2")
    assert len(told) == 7


def test_groups_are_kept_and_forgotten(store: ObjectRules) -> None:
    import asyncio

    asyncio.run(changes(store))
    assert store.tenants() == [TENANT]


async def over_limits(store: ObjectRules) -> None:
    rules, _ = configuration(store, RuleLimits(groups_max=1, rules_per_group_max=1))
    with pytest.raises(LimitExceeded, match=r"per-user rules per rule group limit \(limit: 1 actual: 2\) exceeded"):
        await rules.put(TENANT, "ns", group("1", rules=2))
    await rules.put(TENANT, "ns", group("1"))
    await rules.put(TENANT, "ns", group("1"))
    with pytest.raises(LimitExceeded, match=r"per-user rule groups limit \(limit: 1 actual: 2\) exceeded"):
        await rules.put(TENANT, "other", group("2"))
    assert names(await rules.namespaces(TENANT)) == {"ns": ["1"]}


def test_limits_of_the_tenant_hold(store: ObjectRules) -> None:
    import asyncio

    asyncio.run(over_limits(store))


def test_two_who_change_at_once_lose_nothing(tmp_path: Path) -> None:
    one, two = ObjectRules([FilesystemStore(tmp_path)]), ObjectRules([FilesystemStore(tmp_path)])
    calls: list[int] = []

    def meanwhile(known: Namespaces) -> Namespaces:
        if not calls:
            two.change(TENANT, lambda known: with_group(known, "ns", group("theirs")))
        calls.append(len(known))
        return with_group(known, "ns", group("mine"))

    one.change(TENANT, meanwhile)
    assert calls == [0, 1]
    assert names(two.groups(TENANT)) == {"ns": ["mine", "theirs"]}


def test_rules_move_to_the_store_of_the_last_period_when_they_change(tmp_path: Path) -> None:
    old, new = FilesystemStore(tmp_path / "old"), FilesystemStore(tmp_path / "new")
    old.check()
    new.check()
    ObjectRules([old]).change(TENANT, lambda known: with_group(known, "ns", group("1")))
    both = ObjectRules([old, new])
    assert names(both.groups(TENANT)) == {"ns": ["1"]}
    both.change(TENANT, lambda known: without_group(with_group(known, "ns", group("2")), "ns", "1"))
    assert names(both.groups(TENANT)) == {"ns": ["2"]}
    assert names(ObjectRules([new]).groups(TENANT)) == {"ns": ["2"]}


def flipped(data: bytes, place: int) -> bytes:
    damaged = bytearray(data)
    damaged[place // 8] ^= 1 << place % 8
    return bytes(damaged)


def kept_aside(directory: Path) -> list[bytes]:
    return [kept.read_bytes() for kept in (directory / "t" / "damaged").iterdir()]


def test_any_flipped_bit_is_undone_and_its_bytes_are_kept(tmp_path: Path) -> None:
    rules = ObjectRules([FilesystemStore(tmp_path)])
    rule = WrittenRule(alert="A", expr='sum(rate({app="x"}[1m])) > 9')
    rules.change(TENANT, lambda known: with_group(known, "ns", WrittenGroup("g", rules=(rule,))))
    known, file = rules.groups(TENANT), tmp_path / rules_path(TENANT)
    whole = file.read_bytes()
    for place in range(0, 8 * len(whole), 61):
        damaged = flipped(whole, place)
        file.write_bytes(damaged)
        assert rules.groups(TENANT) == known, place
        if file.read_bytes() != damaged:
            assert file.read_bytes() == whole
            assert damaged in kept_aside(tmp_path)
    file.write_bytes(flipped(whole, 8 * whole.index(b"> 9") + 20))
    rules.change(TENANT, lambda known: with_group(known, "ns", group("other")))
    assert rules.groups(TENANT)["ns"][0].rules == (rule,)


def test_rules_of_which_nothing_is_whole_stop_their_tenant_until_they_are_loaded_anew(tmp_path: Path) -> None:
    rules = ObjectRules([FilesystemStore(tmp_path)])
    for tenant in (TENANT, OTHER):
        rules.change(tenant, lambda known: with_group(known, "ns", group("g")))
    file = tmp_path / rules_path(TENANT)
    cut = file.read_bytes()[:60]
    file.write_bytes(cut)
    with pytest.raises(CorruptData, match=r"^t/rules/groups\.json: damaged at byte 0: .* kept in t/damaged; put"):
        rules.groups(TENANT)
    with pytest.raises(CorruptData, match="put the object back"):
        rules.change(TENANT, lambda known: without_group(known, "ns", "g"))
    assert file.read_bytes() == cut
    assert kept_aside(tmp_path) == [cut]
    assert names(rules.groups(OTHER)) == {"ns": ["g"]}
    rules.change(TENANT, lambda known: with_group(known, "ns", group("g")))
    assert names(rules.groups(TENANT)) == {"ns": ["g"]}


def test_rules_without_a_checksum_are_read_and_get_one(tmp_path: Path) -> None:
    objects = FilesystemStore(tmp_path)
    old = b'{"version":1,"namespaces":{"ns":[{"name":"g","rules":[{"alert":"A","expr":"vector(1)"}]}]}}'
    objects.replace_if(rules_path(TENANT), old, None)
    rules = ObjectRules([objects])
    assert rules.groups(TENANT) == {"ns": (group("g"),)}
    rules.change(TENANT, lambda known: with_group(known, "ns", group("h")))
    assert (tmp_path / rules_path(TENANT)).read_bytes().startswith(b'{\n "checksum": "')
    assert names(rules.groups(TENANT)) == {"ns": ["g", "h"]}


@pytest.mark.parametrize("data", [b"", b"[]", b'{"version":2,"namespaces":{}}', b'{"version":3}', b"\xff"])
def test_what_is_no_object_of_rules_is_said(tmp_path: Path, data: bytes) -> None:
    objects = FilesystemStore(tmp_path)
    objects.replace_if(rules_path(TENANT), data, None)
    with pytest.raises(CorruptData, match=r"t/rules/groups\.json"):
        ObjectRules([objects]).groups(TENANT)


def test_files(tmp_path: Path) -> None:
    folder = tmp_path / "t"
    folder.mkdir()
    (folder / "shop.yaml").write_text("groups: [{name: g, rules: [{alert: A, expr: 'vector(1)'}]}]")
    (folder / ".hidden").write_text("x")
    (folder / "empty.yaml").write_text("groups: []")
    rules = LocalRules(tmp_path)
    assert rules.tenants() == [TENANT]
    assert names(rules.groups(TENANT)) == {"shop.yaml": ["g"]}
    with pytest.raises(ReadOnly):
        rules.change(TENANT, lambda known: known)
    with pytest.raises(Unavailable, match=f"unable to read rule dir {tmp_path}/u: no such file"):
        rules.groups(OTHER)
    assert LocalRules(tmp_path / "none").tenants() == []


@pytest.mark.parametrize(
    "text", ["groups: [{nam: g}]", "groups: [{name: g}, {name: g}]", "groups: [", "x", "groups: 1\ngroups: 2"]
)
def test_a_file_that_becomes_wrong_keeps_its_rules(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "t"
    folder.mkdir()
    file = folder / "f.yaml"
    file.write_text("groups: [{name: g}]")
    rules = LocalRules(tmp_path)
    assert names(rules.groups(TENANT)) == {"f.yaml": ["g"]}
    file.write_text(text)
    assert names(rules.groups(TENANT)) == {"f.yaml": ["g"]}
    assert LocalRules(tmp_path).groups(TENANT) == {}
    file.write_text("groups: [{name: h}]")
    assert names(rules.groups(TENANT)) == {"f.yaml": ["h"]}
