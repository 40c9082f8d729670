"""Two processes over one store that push, flush, compact, crash and restart in any order lose and double nothing.

Time is a false clock that is moved on; a crash comes at some write to the store, before or after it is carried out.
Each process sees its own rows in memory and all that was flushed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_HOUR, NS_PER_S
from lodur.store.compaction.options import CompactionPolicy, CompactorOptions
from lodur.store.days import NS_PER_DAY
from tests.compacting_node import Crash, Node, Row

EXAMPLES = int(os.environ.get("LODUR_COMPACTION_EXAMPLES", "25"))
"""Histories; a soak takes thousands."""

STEPS = 25

FIRST_NS = 20_000 * NS_PER_DAY + 20 * NS_PER_HOUR

OPTIONS = CompactorOptions(
    reader_grace_ns=60 * NS_PER_S,
    policy=CompactionPolicy(target_bytes=3000, settled_after_ns=NS_PER_HOUR, cold_after_ns=6 * NS_PER_HOUR),
)
"""Sizes of some ten rows, so that all rules of the policy have their turn."""

NAMES = ("a", "b")
nodes = st.sampled_from(NAMES)


class Cluster(RuleBasedStateMachine):
    """What is in the model: every row that was acknowledged, and in whose memory it is."""

    @initialize()
    def begin(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="lodur-twin-"))
        self.clock = ManualClock(FIRST_NS)
        self.flushed: set[Row] = set()
        self.unflushed: dict[str, set[Row]] = {name: set() for name in NAMES}
        self.number = 0
        self.nodes = {name: self._started(name) for name in NAMES}

    def _started(self, name: str) -> Node:
        return Node(self.directory, self.clock, name=name, options=OPTIONS)

    @rule(name=nodes, count=st.integers(1, 12), late_h=st.integers(0, 30), app=st.sampled_from("xyz"))
    def push(self, name: str, count: int, late_h: int, app: str) -> None:
        rows: list[Row] = []
        for _ in range(count):
            self.number += 1
            # Several share a timestamp.
            ts_ns = self.clock.now_ns() - late_h * NS_PER_HOUR + self.number // 3 * NS_PER_S
            rows.append((app, ts_ns, f"line {self.number} " + "x" * (self.number % 50)))
        self.nodes[name].push(rows)
        self.unflushed[name] |= set(rows)

    @rule(name=nodes, data=st.data())
    def push_again(self, name: str, data: st.DataObject) -> None:
        """The other process, or this one, has these rows already."""
        known = sorted(self.flushed | set().union(*self.unflushed.values()))
        if known:
            rows = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=4, unique=True))
            self.nodes[name].push(rows)
            self.unflushed[name] |= set(rows)

    @rule(name=nodes)
    def flush(self, name: str) -> None:
        self.nodes[name].flush()
        self.flushed |= self.unflushed[name]
        self.unflushed[name] = set()

    @rule(name=nodes)
    def compact(self, name: str) -> None:
        self.nodes[name].compact()

    @rule(minutes=st.sampled_from([1, 40, 200, 900]))
    def pass_time(self, minutes: int) -> None:
        self.clock.advance(60.0 * minutes)

    @rule(name=nodes)
    def restart(self, name: str) -> None:
        self.nodes[name].stop()
        self.nodes[name].start()

    @rule(name=nodes, flushes=st.booleans(), writes=st.integers(0, 6), dies_after=st.booleans())
    def crash(self, name: str, writes: int, *, flushes: bool, dies_after: bool) -> None:
        """In the midst of a flush or of a merge, or not at all where it needs fewer writes."""
        node = self.nodes[name]
        node.objects.writes_left, node.objects.dies_after = writes, dies_after
        try:
            if flushes:
                node.flush()
            else:
                node.compactor.run_once()
        except Crash:
            pass
        node.stop()
        node.start()
        if flushes:
            # Some days may have been committed; what was not is in the WAL, and flushed now.
            node.flush()
            self.flushed |= self.unflushed[name]
            self.unflushed[name] = set()

    @precondition(lambda self: hasattr(self, "nodes"))
    @invariant()
    def every_row_is_found(self) -> None:
        for name, node in self.nodes.items():
            node.refresh()
            assert node.rows() == sorted(self.flushed | self.unflushed[name])
            assert node.store.set_aside() == {}

    def teardown(self) -> None:
        if not hasattr(self, "nodes"):
            return
        for name in NAMES:
            self.flush(name)
        self.clock.advance(3 * 86_400)
        node = self.nodes["a"]
        node.refresh()
        node.options = CompactorOptions(reader_grace_ns=0)
        node.stop()
        node.start()
        for _ in range(3):
            node.compact()
        self.every_row_is_found()
        for meta in node.tenant_store.live():
            assert meta.zstd_level == node.options.policy.cold_zstd_level
        # Nothing lies about but what those who are still running have not committed, which is nothing.
        for each in self.nodes.values():
            each.stop()
        for name in NAMES:
            self._started(name).stop()
        last = self._started("a")
        assert set(last.files()) == {meta.path for meta in last.tenant_store.live()}
        last.stop()
        shutil.rmtree(self.directory)


TestCluster = Cluster.TestCase
TestCluster.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
