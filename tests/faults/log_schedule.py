"""A random schedule of processes whose write-ahead logs lie in the object store, which fails. Start at `run_log_seed`.

They push, send, flush, follow and adopt; an object is late, refused or stored without an answer. When all is said and
done, every acknowledged entry is there once.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import structlog

from lodur.model.clock import ManualClock
from lodur.model.errors import LodurError
from lodur.store.days import NS_PER_DAY
from tests.compacting_node import Crash
from tests.faults.faulty_store import NO_FAULTS, Bucket, FaultRates, FaultyStore
from tests.faults.history import History
from tests.faults.schedule import MEMORY
from tests.faults.violation import Violation
from tests.wal_node import Push, Row, WalNode

FIRST_NS = 20_000 * NS_PER_DAY + NS_PER_DAY - 60 * 10**9
"""So near to midnight that flushes write two days."""

STEPS = 30

PROCESSES = 2

LEASE_S = 31.0


class LogSchedule:
    """One history."""

    def __init__(self, seed: int, directory: Path) -> None:
        self._seed = seed
        self.chance = Random(seed)
        self.time = ManualClock(FIRST_NS)
        self.bucket = Bucket(directory / "store")
        self.directory = directory
        self.told: list[str] = []
        self.pushes: list[Push] = []
        self.rates = NO_FAULTS
        self._number = 0
        self._started = 0
        self.nodes = [self._start() for _ in range(PROCESSES)]
        self.rates = FaultRates(*(self.chance.choice([0.0, 0.0, 2.0, 10.0]) for _ in range(3)))
        self._fail(self.rates)
        self.told.append(str(self.rates))

    def run(self) -> None:
        """Raises Violation."""
        steps: list[tuple[Callable[[int], None], int]] = [
            (self.push, 8),
            (self.send, 8),
            (self.beat, 5),
            (self.flush, 4),
            (self.adopt, 3),
            (self.follow, 3),
            (self.pass_time, 4),
            (self.restart, 2),
            (self.check, 3),
        ]
        for number in range(STEPS):
            self.chance = Random(f"{self._seed} log {number}")
            (step,) = self.chance.choices([step for step, _ in steps], [weight for _, weight in steps])
            place = self.chance.randrange(PROCESSES)
            self.told.append(f"{place}: {step.__name__}")
            try:
                step(place)
            except (LodurError, OSError) as error:
                self.told.append(f"   {error}")
            self.bucket.step()
        self.end()

    def push(self, place: int) -> None:
        tenant = self.chance.choice("tu")
        rows: list[Row] = []
        for _ in range(self.chance.randint(1, 4)):
            self._number += 1
            ts_ns = self.time.now_ns() - self.chance.choice([0, 90]) * 10**9 + self._number * 10**7
            rows.append((tenant, f"app{self._number % 2}", ts_ns, f"line {self._number}"))
        self.pushes.append(self.nodes[place].push(rows))

    def send(self, place: int) -> None:
        node = self.nodes[place]
        self.time.advance(0.3)
        node.take_group()
        if node.sending:
            node.send(self.chance.randrange(4))

    def beat(self, place: int) -> None:
        self.nodes[place].beat()

    def flush(self, place: int) -> None:
        self.nodes[place].flush()

    def adopt(self, place: int) -> None:
        self.nodes[place].adopter.poll()

    def follow(self, place: int) -> None:
        self.nodes[place].follower.poll()

    def pass_time(self, place: int) -> None:
        del place
        self.time.advance(self.chance.choice([0.3, 2.0, 11.0, 31.0]))

    def restart(self, place: int) -> None:
        """Clean, or as by `kill -9`."""
        node = self.nodes[place]
        if self.chance.random() < 0.3:
            node.wal.close()
        node.die()
        for _ in range(100):
            with suppress(LodurError):
                self.nodes[place] = self._start()
                return
            self.time.advance(1.0)
            self.bucket.step()
        # Each failed start has left a lease, which the next one reads: with so many of them hardly any succeeds.
        self.rates = NO_FAULTS
        self._fail(self.rates)
        self.nodes[place] = self._start()

    def check(self, place: int) -> None:
        """Nothing is there twice; all is there is asked at the end, when nothing is on its way any more."""
        found = self.nodes[place].rows()
        if len(found) != len(set(found)):
            raise Violation("entries twice")

    def end(self) -> None:
        """No more faults: the logs of the dead are adopted, all is flushed, and everybody finds all of it."""
        self.told.append("end")
        self.rates = NO_FAULTS
        self._fail(NO_FAULTS)
        self.bucket.settle()
        for place in range(PROCESSES):
            self.nodes[place].die()
            self.nodes[place] = self._start()
        for _ in range(8):
            self.time.advance(LEASE_S / 3)
            for node in self.nodes:
                node.beat()
                node.follower.poll()
                node.adopter.poll()
        for node in self.nodes:
            node.flush()
        self.time.advance(2.1)
        acknowledged = {row for push in self.pushes if push.is_acknowledged for row in push.rows}
        begun = {row for push in self.pushes for row in push.rows}
        for node in self.nodes:
            node.follower.poll()
            found = set(node.rows())
            if lost := acknowledged - found:
                raise Violation(f"{len(lost)} acknowledged entries lost: {sorted(lost)[:3]}")
            if found - begun:
                raise Violation(f"entries that nobody sent: {sorted(found - begun)[:3]}")

    def stop(self) -> None:
        for node in self.nodes:
            node.die()

    def _start(self) -> WalNode:
        self._started += 1
        spool = self.directory / f"spool-{self._started}"
        spool.mkdir()
        seed = f"{self._seed} {self._started}"
        store = FaultyStore(self.bucket, spool, seed, self.time, rates=self.rates, is_remote=True)
        return WalNode(self.bucket.directory, self.time, skew_s=self._started * 1234.5, faulty=store)

    def _fail(self, rates: FaultRates) -> None:
        for node in self.nodes:
            assert isinstance(node.faulty, FaultyStore)
            node.faulty.rates = rates


def run_log_seed(seed: int) -> History:
    """Run one history. Raises Violation, with what was done as notes."""
    directory = Path(tempfile.mkdtemp(prefix="lodur-faults-", dir=MEMORY if MEMORY.is_dir() else None))
    with structlog.testing.capture_logs() as logs:
        schedule = LogSchedule(seed, directory)
        try:
            schedule.run()
        except (Exception, Crash) as error:
            error.add_note("\n".join((f"seed {seed}", *schedule.told, *(str(line) for line in logs[-12:]))))
            raise
        finally:
            schedule.stop()
            shutil.rmtree(directory)
    return History(schedule.told)
