"""Processes with object WALs over one store, in any order of steps: nothing acknowledged is lost or there twice.

Each pushes, sends its groups in any order, flushes, follows and adopts; the store fails before or after a call is
carried out; processes die, and are frozen for any time together with their clocks. Clocks differ from the beginning.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lodur.model.clock import ManualClock
from lodur.model.errors import Unavailable
from lodur.store.days import NS_PER_DAY
from tests.wal_node import Row, WalNode

EXAMPLES = int(os.environ.get("LODUR_OBJECT_WAL_EXAMPLES", "10"))
"""Histories; a soak takes thousands."""

STEPS = 30

FIRST_NS = 20_000 * NS_PER_DAY + NS_PER_DAY - 60 * 10**9
"""So near to midnight that flushes write two days."""

PLACES = (0, 1, 2)
places = st.sampled_from(PLACES)
faults = st.one_of(st.none(), st.tuples(st.integers(0, 12), st.booleans()))
"""The call of the store that fails, and whether it is carried out all the same."""

Fault = tuple[int, bool] | None


class Cluster(RuleBasedStateMachine):
    """What is in the model: the rows of every push that was acknowledged, by whomever."""

    @initialize()
    def begin(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="lodur-object-wal-"))
        self.time = ManualClock(FIRST_NS)
        self.number = 0
        self.started = 0
        self.looks = 0
        self.gone: list[WalNode] = []
        self.nodes = [self._started() for _ in PLACES]

    def _started(self) -> WalNode:
        self.started += 1
        return WalNode(self.directory, self.time, skew_s=self.started * 1234.5)

    def _running(self, place: int) -> WalNode | None:
        node = self.nodes[place]
        return None if node.is_frozen else node

    def _work(self, place: int, fault: Fault, work: Callable[[WalNode], None]) -> None:
        """What a process does unless it is frozen, with a store that may fail meanwhile."""
        node = self._running(place)
        if node is None:
            return
        if fault is not None:
            node.objects.calls_left, node.objects.is_carried_out = fault
        with suppress(Unavailable):
            work(node)
        node.objects.calls_left = None

    @rule(place=places, count=st.integers(1, 4), tenant=st.sampled_from("tu"), late_s=st.integers(0, 90))
    def push(self, place: int, count: int, tenant: str, late_s: int) -> None:
        if node := self._running(place):
            rows: list[Row] = []
            for _ in range(count):
                self.number += 1
                ts_ns = self.time.now_ns() - late_s * 10**9 + self.number // 3 * 10**7
                rows.append((tenant, f"app{self.number % 2}", ts_ns, f"line {self.number}"))
            node.push(rows)

    @rule(place=places, which=st.integers(0, 3), fault=faults)
    def send(self, place: int, which: int, fault: Fault) -> None:
        def work(node: WalNode) -> None:
            node.take_group()
            if node.sending:
                node.send(which)

        self._work(place, fault, work)

    @rule(fault=faults)
    def beat(self, fault: Fault) -> None:
        for place in PLACES:
            self._work(place, fault, WalNode.beat)

    @rule(place=places, fault=faults)
    def flush(self, place: int, fault: Fault) -> None:
        self._work(place, fault, WalNode.flush)

    @rule(place=places, fault=faults)
    def begin_flush(self, place: int, fault: Fault) -> None:
        self._work(place, fault, WalNode.begin_flush)

    @rule(place=places, fault=faults)
    def finish_flush(self, place: int, fault: Fault) -> None:
        self._work(place, fault, WalNode.finish_flush)

    @rule(place=places, fault=faults)
    def adopt(self, place: int, fault: Fault) -> None:
        self._work(place, fault, lambda node: node.adopter.poll())

    @rule(place=places, follows=st.sampled_from(PLACES), fault=faults)
    def die_and_be_adopted(self, place: int, follows: int, fault: Fault) -> None:
        """What chance alone brings about too seldom."""
        self.restart(place, is_clean=False)
        self.adopt(follows, None)
        for _ in range(4):
            self.time.advance(10.0)
            self.beat(None)
        self.adopt(follows, fault)

    @rule(seconds=st.sampled_from([0.3, 2.0, 11.0, 31.0, 70.0]))
    def pass_time(self, seconds: float) -> None:
        self.time.advance(seconds)

    @rule(place=places, does=st.sampled_from(["nothing", "flush", "adopt"]), calls=st.integers(0, 12))
    def freeze(self, place: int, does: str, calls: int) -> None:
        if node := self._running(place):
            work: dict[str, Callable[[], None] | None] = {"flush": node.flush, "adopt": node.adopter.poll}
            node.freeze(work.get(does), calls)

    @rule(place=places)
    def thaw(self, place: int) -> None:
        if self.nodes[place].is_frozen:
            self.nodes[place].thaw()

    @rule(place=places, is_clean=st.booleans())
    def restart(self, place: int, *, is_clean: bool) -> None:
        self.thaw(place)
        node = self.nodes[place]
        if is_clean:
            node.wal.close()
        node.die()
        self.gone.append(node)
        self.nodes[place] = self._started()

    @precondition(lambda self: hasattr(self, "nodes"))
    @invariant()
    def every_acknowledged_row_is_found_once(self) -> None:
        self.looks += 1
        node = self._running(self.looks % len(PLACES))
        if node is None:
            return
        pushes = [push for node in (*self.gone, *self.nodes) for push in node.pushes]
        acknowledged = {row for push in pushes if push.is_acknowledged for row in push.rows}
        begun = {row for push in pushes for row in push.rows}
        self.time.advance(2.1)
        node.follower.poll()
        found = node.rows()
        assert len(found) == len(set(found)), sorted(row for row in set(found) if found.count(row) > 1)
        assert acknowledged <= set(found), sorted(acknowledged - set(found))
        assert set(found) <= begun

    def teardown(self) -> None:
        if hasattr(self, "nodes"):
            for node in self.nodes:
                node.thaw()
                node.die()
            shutil.rmtree(self.directory)


TestCluster = Cluster.TestCase
TestCluster.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
