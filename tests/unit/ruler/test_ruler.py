"""Rulers over one store: who evaluates a group, what survives a change of hands."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_HOUR, NS_PER_MINUTE, NS_PER_S
from lodur.model.errors import Unavailable
from lodur.model.label_set import LabelSet
from lodur.model.tenant import TenantId
from lodur.ruler.group_runner import GroupRunner
from lodur.ruler.groups import AlertingRule, GroupId, RuleGroup
from lodur.ruler.leases import CLOCKS_APART_NS, LEASE_NS, Leases, state_path
from lodur.ruler.options import RulerLimits, RulerOptions
from lodur.ruler.outputs import Outputs
from lodur.ruler.queries import Vector
from lodur.ruler.rule_store import ObjectRules, with_group, without_namespace
from lodur.ruler.ruler import Ruler, RulerParts
from lodur.ruler.written import WrittenGroup, WrittenRule
from lodur.store.filesystem_store import FilesystemStore
from lodur.store.object_store import StoredObject
from lodur.telemetry.ruler_metrics import RulerMetrics

TENANT = TenantId("t")
ID = GroupId(TENANT, "ns", "g")
RULE = AlertingRule("A", "q", for_ns=2 * NS_PER_MINUTE)
GROUP = RuleGroup(ID, NS_PER_MINUTE, 0, (RULE,))
T0_NS = 1_700_000_000 * NS_PER_S


class StoreThatFails(FilesystemStore):
    """Answers nothing while it is away."""

    is_away = False

    def get(self, path: str) -> StoredObject | None:
        self._check()
        return super().get(path)

    def replace_if(self, path: str, data: bytes, version: str | None) -> str | None:
        self._check()
        return super().replace_if(path, data, version)

    def _check(self) -> None:
        if self.is_away:
            raise Unavailable("away")


@dataclass
class World:
    """A store, a clock, and rulers that share them."""

    directory: Path
    clock: ManualClock = field(default_factory=lambda: ManualClock(T0_NS))
    answer: Vector = field(default_factory=lambda: [(LabelSet.of({"pod": "1"}), 1.0)])
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.objects = StoreThatFails(self.directory)
        self.rules = ObjectRules([self.objects])

    def parts(self, owner: str, options: RulerOptions | None = None) -> RulerParts:
        options = options or RulerOptions()
        metrics = RulerMetrics(CollectorRegistry())

        async def ask(tenant: TenantId, expr: str, time_ns: int) -> Vector:
            self.asked.append(owner)
            return self.answer

        def limits_of(_: TenantId) -> RulerLimits:
            return RulerLimits()

        outputs = Outputs(options, limits_of, user_agent="x", clock=self.clock, rng=random.Random(1), metrics=metrics)
        leases = Leases(self.objects, owner, self.clock)
        return RulerParts(options, limits_of, self.rules, ask, leases, outputs, self.clock, metrics)

    def runner(self, owner: str) -> GroupRunner:
        return GroupRunner(GROUP, self.parts(owner))

    def objects_text(self) -> str:
        """All that lies in the store, whether it answers or not."""
        return "".join(file.read_text() for file in self.directory.rglob("*.json"))

    def stored(self) -> str:
        found = self.objects.get(state_path(ID))
        return found.data.decode() if found is not None else ""

    async def turns(self, runner: GroupRunner, count: int) -> None:
        for _ in range(count):
            self.clock.advance(60)
            await runner.turn(self.clock.now_ns())


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def run(work: Coroutine[None, None, None]) -> None:
    asyncio.run(work)


def phases(runner: GroupRunner) -> list[str]:
    assert runner.state is not None
    return [alert.phase for rule in runner.state.rules for alert in rule.alerts]


def test_one_process_evaluates_a_group(world: World) -> None:
    async def work() -> None:
        one, two = world.runner("one"), world.runner("two")
        await world.turns(one, 1)
        await two.turn(world.clock.now_ns())
        assert world.asked == ["one"]
        assert two.state is None
        # A process that gives back makes room at once.
        await one.stop(is_gone=False)
        await world.turns(two, 1)
        assert world.asked == ["one", "two"]
        await one.turn(world.clock.now_ns())
        assert world.asked == ["one", "two"]

    run(work())


def test_the_group_of_a_process_that_died_is_taken_over_with_its_alerts(world: World) -> None:
    async def work() -> None:
        dead, heir = world.runner("dead"), world.runner("heir")
        await world.turns(dead, 1)
        world.clock.advance((LEASE_NS + CLOCKS_APART_NS) / NS_PER_S - 1)
        await heir.turn(world.clock.now_ns())
        assert heir.state is None
        world.clock.advance(1)
        await heir.turn(world.clock.now_ns())
        assert world.asked == ["dead", "heir"]
        # What was pending has waited long enough meanwhile.
        assert phases(heir) == ["firing"]

    run(work())


def test_a_restart_goes_on_where_it_stood(world: World) -> None:
    async def work() -> None:
        await world.turns(world.runner("same"), 2)
        after = world.runner("same")
        await world.turns(after, 1)
        assert phases(after) == ["firing"]

    run(work())


def test_a_turn_that_another_process_has_overtaken_is_dropped(world: World) -> None:
    async def work() -> None:
        slow, quick = world.runner("slow"), world.runner("quick")
        await world.turns(slow, 1)
        # The group changes hands behind the back of the one that holds it.
        world.objects.delete(state_path(ID))
        await quick.turn(world.clock.now_ns())
        kept = world.stored()
        world.answer = []
        await world.turns(slow, 1)
        assert slow.state is None
        assert world.stored() == kept

    run(work())


def test_who_has_a_group_goes_on_while_the_store_is_away(world: World) -> None:
    async def work() -> None:
        runner, other = world.runner("one"), world.runner("other")
        world.answer = []
        await world.turns(runner, 1)
        world.answer = [(LabelSet.of({"pod": "1"}), 1.0)]
        world.objects.is_away = True
        await world.turns(runner, 4)
        assert phases(runner) == ["firing"]
        await other.turn(world.clock.now_ns())
        assert other.state is None
        assert set(world.asked) == {"one"}
        assert '"pod"' not in world.objects_text()
        world.objects.is_away = False
        await world.turns(runner, 1)
        assert '"pod": "1"' in world.stored()

    run(work())


def test_the_state_is_written_when_it_matters(world: World) -> None:
    async def work() -> None:
        runner = world.runner("one")
        world.answer = []
        await world.turns(runner, 1)
        kept = world.stored()
        await world.turns(runner, 1)
        renewed = world.stored()
        await runner.turn(world.clock.now_ns())
        assert world.stored() == renewed
        world.answer = [(LabelSet.of({"pod": "1"}), 1.0)]
        await runner.turn(world.clock.now_ns())
        assert '"pod": "1"' in world.stored()
        assert kept

    run(work())


def test_groups_come_change_and_go(world: World) -> None:
    written = WrittenGroup("g", rules=(WrittenRule(alert="A", expr="vector(1)"),))

    async def work() -> None:
        ruler = Ruler(world.parts("one"))
        running = asyncio.create_task(ruler.run())
        await asyncio.to_thread(world.rules.change, TENANT, lambda known: with_group(known, "ns", written))
        ruler.notice()
        await ruler.sync()
        ((group, state),) = await ruler.groups(TENANT)
        assert (group.id, group.interval_ns, state.rules) == (ID, NS_PER_MINUTE, ())
        bad = WrittenGroup("bad", rules=(WrittenRule(alert="A", expr="sum("),))
        await asyncio.to_thread(world.rules.change, TENANT, lambda known: with_group(known, "ns", bad))
        await ruler.sync()
        assert [one.id.name for one, _ in await ruler.groups(TENANT)] == ["g"]
        await asyncio.to_thread(world.rules.change, TENANT, lambda known: without_namespace(known, "ns"))
        await ruler.sync()
        assert await ruler.groups(TENANT) == []
        ruler.stop()
        await running

    run(work())


def test_a_new_interval_holds_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lodur.ruler.ruler.WAIT_MAX_S", 0.01)

    def written(interval_ns: int) -> WrittenGroup:
        return WrittenGroup("g", interval_ns, rules=(WrittenRule(alert="A", expr="vector(1)"),))

    async def work() -> None:
        ruler = Ruler(world.parts("one"))
        await asyncio.to_thread(world.rules.change, TENANT, lambda known: with_group(known, "ns", written(NS_PER_HOUR)))
        running = asyncio.create_task(ruler.run())
        async with asyncio.timeout(20):
            while not await ruler.groups(TENANT):
                await asyncio.sleep(0.01)
            await asyncio.to_thread(
                world.rules.change, TENANT, lambda known: with_group(known, "ns", written(NS_PER_S))
            )
            ruler.notice()
            while (await ruler.groups(TENANT))[0][0].interval_ns != NS_PER_S:
                await asyncio.sleep(0.01)
            while not world.asked:
                world.clock.advance(0.5)
                await asyncio.sleep(0.01)
        assert world.clock.now_ns() < T0_NS + NS_PER_MINUTE * 10
        ruler.stop()
        await running

    run(work())


def test_a_group_that_is_gone_leaves_no_state(world: World) -> None:
    async def work() -> None:
        runner = world.runner("one")
        await world.turns(runner, 1)
        assert world.stored()
        await runner.stop(is_gone=True)
        assert not world.stored()

    run(work())


def test_damaged_state_is_begun_anew(world: World) -> None:
    async def work() -> None:
        world.objects.replace_if(state_path(ID), b"\xff", None)
        runner = world.runner("one")
        await world.turns(runner, 1)
        assert phases(runner) == ["pending"]
        assert [kept.read_bytes() for kept in (world.directory / "t" / "damaged").iterdir()] == [b"\xff"]

    run(work())


def test_any_flipped_bit_of_a_state_is_undone(world: World) -> None:
    async def work() -> None:
        await world.turns(world.runner("one"), 1)
        file = world.directory / state_path(ID)
        whole, leases = file.read_bytes(), Leases(world.objects, "two", world.clock)
        known = leases.read(ID)
        for place in range(0, 8 * len(whole), 61):
            data = bytearray(whole)
            data[place // 8] ^= 1 << place % 8
            file.write_bytes(data)
            assert leases.read(ID) == known, place
            # It is another's still.
            assert leases.take(ID) is None, place

    run(work())


def test_a_state_without_a_checksum_is_read(world: World) -> None:
    data = (
        b'{"version":1,"owner":"one","lease_until_ns":5,"evaluated_at_ns":3,"duration_s":0.5,'
        b'"rules":[{"key":"k","health":"ok","error":"","evaluated_at_ns":3,"duration_s":0.25,"alerts":[]}]}'
    )
    world.objects.replace_if(state_path(ID), data, None)
    state = Leases(world.objects, "two", world.clock).read(ID)
    assert (state.evaluated_at_ns, [(rule.key, rule.health) for rule in state.rules]) == (3, [("k", "ok")])


@pytest.mark.parametrize(
    ("enabled", "disabled", "evaluates"),
    [((), (), True), (("t",), (), True), (("u",), (), False), ((), ("t",), False), (("t",), ("t",), False)],
)
def test_tenants_that_are_evaluated(enabled: tuple[str, ...], disabled: tuple[str, ...], evaluates: bool) -> None:
    options = RulerOptions(enabled_tenants=frozenset(enabled), disabled_tenants=frozenset(disabled))
    assert options.evaluates(TENANT) is evaluates
