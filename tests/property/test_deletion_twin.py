"""Two processes over one store that push, flush, delete, cancel, compact, crash and restart in any order: what was
deleted is never seen again, and everything else is always there.

As `test_compaction_twin`, with delete requests. What lies between the two promises, entries that arrive while a request
is being carried out, may be either; once seen after the cutoff it stays.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_HOUR, NS_PER_S
from lodur.model.errors import InvalidRequest, NotFound
from lodur.store.compaction.options import CompactionPolicy, CompactorOptions
from lodur.store.days import NS_PER_DAY
from lodur.store.deletes.requests import ARRIVAL_SLACK_NS, DeleteRequest
from tests.compacting_node import TENANT, Crash, Node, Row

EXAMPLES = int(os.environ.get("LODUR_DELETION_EXAMPLES", "25"))
"""Histories; a soak takes thousands."""

STEPS = 30

FIRST_NS = 20_000 * NS_PER_DAY + 20 * NS_PER_HOUR

OPTIONS = CompactorOptions(
    reader_grace_ns=60 * NS_PER_S,
    retention_enabled=True,
    delete_cancel_period_ns=2 * NS_PER_HOUR,
    policy=CompactionPolicy(target_bytes=3000, settled_after_ns=NS_PER_HOUR, cold_after_ns=6 * NS_PER_HOUR),
)

NAMES = ("a", "b")
nodes = st.sampled_from(NAMES)


def number_of(line: str) -> int:
    return int(line.split()[1].removeprefix("n="))


QUERIES: tuple[tuple[str, Callable[[str, str], bool]], ...] = (
    ('{app="x"}', lambda app, line: app == "x"),
    ('{app=~"x|y"} |= "7 "', lambda app, line: app in "xy" and "7 " in line),
    ('{app="z"} !~ "n=.*1"', lambda app, line: app == "z" and "1" not in str(number_of(line))),
    ('{app!=""} | logfmt | n > 20', lambda app, line: number_of(line) > 20),
    ('{app="y"} | logfmt | pad="xxx"', lambda app, line: app == "y" and line.endswith("pad=xxx")),
)


@dataclass
class Known:
    """What the model knows of an entry."""

    accepted_ns: list[int] = field(default_factory=list)
    joined_ns: list[int] = field(default_factory=list)
    """When the first entry was accepted that shared its place in memory."""


@dataclass
class Asked:
    """A request that is in force."""

    matches: Callable[[str, str], bool]
    start_ns: int
    end_ns: int

    def names(self, row: Row) -> bool:
        return self.start_ns <= row[1] <= self.end_ns and self.matches(row[0], row[2])


class Cluster(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="lodur-deletes-"))
        self.clock = ManualClock(FIRST_NS)
        self.rows: dict[Row, Known] = {}
        self.flushed: set[Row] = set()
        self.unflushed: dict[str, dict[Row, int]] = {name: {} for name in NAMES}
        self.asked: dict[str, Asked] = {}
        self.partly_gone: set[Row] = set()
        self.number = 0
        self.nodes = {name: Node(self.directory, self.clock, name=name, options=OPTIONS) for name in NAMES}

    @rule(name=nodes, count=st.integers(1, 12), late_h=st.integers(0, 30), app=st.sampled_from("xyz"))
    def push(self, name: str, count: int, late_h: int, app: str) -> None:
        rows: list[Row] = []
        for _ in range(count):
            self.number += 1
            ts_ns = self.clock.now_ns() - late_h * NS_PER_HOUR + self.number // 3 * NS_PER_S
            rows.append((app, ts_ns, f"line n={self.number} pad=" + "x" * (self.number % 5)))
        self._pushed(name, rows)

    @rule(name=nodes, data=st.data())
    def push_again(self, name: str, data: st.DataObject) -> None:
        known = sorted(self.rows)
        if known:
            rows = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=4, unique=True))
            self._pushed(name, rows)

    def _pushed(self, name: str, rows: list[Row]) -> None:
        self.nodes[name].push(rows)
        now_ns = self.clock.now_ns()
        joined_ns = min([now_ns, *self.unflushed[name].values()])
        for row in rows:
            known = self.rows.setdefault(row, Known())
            known.accepted_ns.append(now_ns)
            known.joined_ns.append(joined_ns)
            self.unflushed[name].setdefault(row, now_ns)

    @rule(name=nodes)
    def flush(self, name: str) -> None:
        self.nodes[name].flush()
        self._flushed(name)

    def _flushed(self, name: str) -> None:
        self.flushed |= set(self.unflushed[name])
        self.unflushed[name] = {}

    @rule(name=nodes)
    def compact(self, name: str) -> None:
        self.nodes[name].compact()

    @rule(minutes=st.sampled_from([1, 40, 130, 900]))
    def pass_time(self, minutes: int) -> None:
        self.clock.advance(60.0 * minutes)

    @rule(name=nodes, query=st.sampled_from(QUERIES), from_h=st.integers(1, 40), length_h=st.integers(1, 40))
    def delete(self, name: str, query: tuple[str, Callable[[str, str], bool]], from_h: int, length_h: int) -> None:
        start_ns = self.clock.now_ns() - from_h * NS_PER_HOUR
        end_ns = min(self.clock.now_ns(), start_ns + length_h * NS_PER_HOUR)
        text, matches = query
        self.asked[self.nodes[name].delete(text, start_ns, end_ns)] = Asked(matches, start_ns, end_ns)

    @rule(name=nodes, data=st.data(), force=st.booleans())
    def cancel(self, name: str, data: st.DataObject, *, force: bool) -> None:
        if not self.asked:
            return
        request_id = data.draw(st.sampled_from(sorted(self.asked)))
        request = self._log(name)[request_id]
        try:
            self.nodes[name].deletes.cancel(TENANT, request_id, force=force, by="")
        except InvalidRequest:
            assert request.is_processed or (not force and self.clock.now_ns() > request.created_at_ns)
            return
        asked = self.asked.pop(request_id)
        if request.is_started:
            self.partly_gone |= {row for row in self.rows if asked.names(row)}
        try:
            self.nodes[name].deletes.cancel(TENANT, request_id, force=force, by="")
        except NotFound:
            return
        raise AssertionError("a cancelled request can be cancelled again")

    @rule(name=nodes)
    def restart(self, name: str) -> None:
        self.nodes[name].stop()
        self.nodes[name].start()

    @rule(name=nodes, flushes=st.booleans(), writes=st.integers(0, 9), dies_after=st.booleans())
    def crash(self, name: str, writes: int, *, flushes: bool, dies_after: bool) -> None:
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
            node.flush()
            self._flushed(name)

    @precondition(lambda self: hasattr(self, "nodes"))
    @invariant()
    def what_is_deleted_is_gone_and_all_else_is_there(self) -> None:
        for name, node in self.nodes.items():
            node.refresh()
            seen = node.rows()
            assert len(seen) == len(set(seen))
            visible, log = set(seen), self._log(name)
            stored = self.flushed | set(self.unflushed[name])
            assert visible <= stored
            for row in stored:
                requests = [log[request_id] for request_id, asked in self.asked.items() if asked.names(row)]
                if self._must_hide(row, requests):
                    assert row not in visible, (name, row, requests)
                elif self._must_show(row, requests):
                    assert row in visible, (name, row, requests)

    def _must_hide(self, row: Row, requests: list[DeleteRequest]) -> bool:
        last_ns = max(self.rows[row].accepted_ns)
        return any(one.started_at_ns is None or last_ns <= one.started_at_ns for one in requests)

    def _must_show(self, row: Row, requests: list[DeleteRequest]) -> bool:
        known = self.rows[row]
        if row in self.partly_gone or (len(known.accepted_ns) > 1 and requests):
            return False
        joined_ns = min(known.joined_ns)
        return all(
            one.started_at_ns is not None and joined_ns > one.started_at_ns + ARRIVAL_SLACK_NS for one in requests
        )

    def _log(self, name: str) -> dict[str, DeleteRequest]:
        return {request.id: request for request in self.nodes[name].deletions.refresh(TENANT).requests}

    def teardown(self) -> None:
        if not hasattr(self, "nodes"):
            return
        for name in NAMES:
            self.flush(name)
        self.clock.advance(3 * 86_400)
        for _ in range(3):
            for node in self.nodes.values():
                node.refresh()
                node.compact()
                self.clock.advance(120.0)
        self.what_is_deleted_is_gone_and_all_else_is_there()
        statuses = self.nodes["a"].statuses()
        assert set(statuses) == set(self.asked)
        assert set(statuses.values()) <= {"processed"}
        self._nothing_is_left_in_the_files()
        shutil.rmtree(self.directory)

    def _nothing_is_left_in_the_files(self) -> None:
        """Read without any request: the entries themselves are gone, and the trail has counted them."""
        node = self.nodes["a"]
        node.refresh()
        seen = node.rows()
        trails = node.deletes.trails(TENANT)
        assert {trail.request.id for trail in trails} >= set(self.asked)
        for other in self.nodes.values():
            other.stop()
        node.keeps_deletes = False
        node.start()
        assert node.rows() == seen
        removed = sum(trail.removed_rows for trail in trails)
        assert removed >= len(self.flushed) - len(seen)
        node.stop()


TestCluster = Cluster.TestCase
TestCluster.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
