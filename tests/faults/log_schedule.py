"""A random schedule of processes whose write-ahead logs lie in the object store, which fails. Start at `run_log_seed`.

They push, send, flush, follow and adopt, and die of some calls; another process merges what they flush, and is asked to
delete. An object is late, refused or stored without an answer, a listing out of date. When all is said and done, every
acknowledged entry that was not deleted is there once, and no object that nobody knows.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

import structlog

from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_S
from lodur.model.errors import LodurError
from lodur.model.tenant import TenantId
from lodur.store.days import NS_PER_DAY
from lodur.store.object_wal.names import LEASES
from tests.compacting_node import Crash
from tests.faults.bit_flips import chosen_file, flip_bit
from tests.faults.faulty_store import NO_FAULTS, Bucket, FaultRates, FaultyStore, slow_percent
from tests.faults.history import History
from tests.faults.leftovers import check_files, check_objects
from tests.faults.merges import watched_merges
from tests.faults.new_rows import NewRows
from tests.faults.process import CANCEL_PERIOD_NS, Process, Site
from tests.faults.schedule import MEMORY
from tests.faults.sizes import SMALL
from tests.faults.surviving import STARTS_MAX, started, survived
from tests.faults.tenant_history import TenantHistory
from tests.faults.violation import Violation
from tests.wal_node import TENANTS, Push, Row, WalNode

FIRST_NS = 20_000 * NS_PER_DAY + NS_PER_DAY - 60 * 10**9
"""So near to midnight that flushes write two days."""

STEPS = 30

PROCESSES = 2

LEASE_S = 31.0

SITE = Site(remote=True, sizes=replace(SMALL, target_bytes=300))
"""Of the process that merges: a target of some ten rows."""

LOOKS = 0.25
"""Of the steps are followed by a look at what a process shows."""

ASKED = 0.5
"""Of the histories have delete requests; clocks of their machines differ by less than arrivals may."""

KEPT_S = 25 * 3600.0
"""After which nothing is kept any more of writers that are gone, and of segments that were replaced."""


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
        self._started = 0
        self._flipped: dict[Path, bytes] = {}
        """What files were made of by a flipped bit: each bears one until it is found."""
        self._is_asked = Random(f"{seed} asked").random() < ASKED
        self._new = NewRows(self.time, SITE.sizes)
        self.compactor = Process(self.bucket, directory, "c", str(seed), self.time, SITE)
        self.tenants = {
            tenant: TenantHistory(tenant, self.bucket, self.time, {"c": self.compactor}) for tenant in TENANTS
        }
        self.nodes = [self._new_node() for _ in range(PROCESSES)]
        refused, unanswered, late = (self.chance.choice([0.0, 0.0, 2.0, 10.0]) for _ in range(3))
        crashed, flipped = (self.chance.choice([0.0, 0.0, 1.0, 5.0]) for _ in range(2))
        stale, slow = self.chance.choice([0.0, 0.0, 5.0, 20.0]), slow_percent(seed)
        self._fail(FaultRates(refused, unanswered, late, crashed=crashed, flipped=flipped, stale=stale, slow=slow))
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
            (self.compact, 4),
            (self.delete, 3 * self._is_asked),
            (self.carry_out, 2 * self._is_asked),
            (self.cancel, 1 * self._is_asked),
            (self.flip_document, 2),
            (self.pass_time, 4),
            (self.restart, 2),
            (self.check, 3),
        ]
        for number in range(STEPS):
            self.chance = Random(f"{self._seed} log {number}")
            (step,) = self.chance.choices([step for step, _ in steps], [weight for _, weight in steps])
            place = self.chance.randrange(PROCESSES)
            self.told.append(f"{place}: {step.__name__}")
            self._survived(step, place)
            if self.chance.random() < LOOKS:
                self._survived(self.check, self.chance.randrange(PROCESSES))
            self.bucket.step(self.time)
            self._observe()
        self.end()

    def push(self, place: int) -> None:
        node, tenant = self.nodes[place], self.chance.choice(TENANTS)
        rows = self._new.any(self.chance)
        known = self.compactor.deletions.known(tenant)
        self.tenants[tenant].model.deleted.sent(node.wal.writer_id, rows, node.clock.now_ns(), known)
        self.pushes.append(node.push([(tenant.value, *row) for row in rows]))

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

    def compact(self, place: int) -> None:
        """By a process that follows no log: it reads all manifests before, as one would know them that does."""
        del place
        self.time.advance(self.chance.choice([0.3, 0.3, 0.3, 61.0, 3700.0]))
        self.compactor.store.discover(all_days=True)
        self.compactor.compact()

    def delete(self, place: int) -> None:
        del place
        tenant = self.chance.choice(TENANTS)
        self.told.append(f"   {tenant} {self.tenants[tenant].deletes.delete(self.compactor, self.chance)}")

    def carry_out(self, place: int) -> None:
        """The compactor comes after requests can be cancelled no more."""
        self.time.advance(CANCEL_PERIOD_NS / NS_PER_S + 1)
        self.compact(place)

    def cancel(self, place: int) -> None:
        del place
        tenant = self.chance.choice(TENANTS)
        self.told.append(f"   {tenant} {self.tenants[tenant].deletes.cancel(self.compactor, self.chance)}")

    def flip_document(self, place: int) -> None:
        """A bit of a lease, a manifest or delete requests changes where it lies: each can be restored from itself."""
        del place
        folders = [f"{tenant}/{kind}" for tenant in TENANTS for kind in ("manifest", "deletes")]
        file = chosen_file(self.bucket, [*folders, LEASES], self.chance)
        if file is None or self._flipped.get(file) == file.read_bytes():
            return
        self.told.append(f"   bit {flip_bit(file, self.chance)} of {file.relative_to(self.bucket.directory)}")
        self._flipped[file] = file.read_bytes()

    def restart(self, place: int) -> None:
        """Clean, or as by `kill -9`."""
        if self.chance.random() < 0.3:
            self.nodes[place].wal.close()
        self._start_again(place)

    def check(self, place: int) -> None:
        """Nothing is there twice, or again; all is there is asked at the end, when nothing is on its way any more."""
        self._found(self.nodes[place])

    def _found(self, node: WalNode) -> set[Row]:
        found = node.rows()
        if len(found) != len(set(found)):
            raise Violation("entries twice")
        self._observe()
        for tenant, history in self.tenants.items():
            mine = [row[1:] for row in found if row[0] == tenant.value]
            history.model.check_hidden(mine, of=node.wal.writer_id)
        return set(found)

    def _observe(self) -> None:
        """Take in what the store says of requests, and what each process knows of them."""
        for tenant, history in self.tenants.items():
            history.deletes.observe()
            for node in self.nodes:
                if node.deletions is not None:
                    known = {request.id for request in node.deletions.known(tenant).requests}
                    history.model.deleted.seen_by.setdefault(node.wal.writer_id, set()).update(known)

    def end(self) -> None:
        """No more faults: the logs of the dead are adopted, all is flushed, and everybody finds all of it."""
        self.told.append("end")
        self._fail(NO_FAULTS)
        self.bucket.settle()
        started(self.compactor.start, self.told, between=self.compactor.stop)
        for place in range(PROCESSES):
            self._start_again(place)
        self._adopt_all()
        for node in self.nodes:
            node.flush()
        self.time.advance(2.1)
        self._check_entries()
        self.compact(0)
        self._check_entries()
        self._rest()

    def _rest(self) -> None:
        """Nothing is left of the dead, and of what was replaced."""
        for _ in range(2):
            self.time.advance(KEPT_S)
            self._adopt_all()
            self.compact(0)
        self._check_entries()
        for tenant, history in self.tenants.items():
            history.deletes.check_processed(self.compactor)
            check_objects(self.compactor, tenant)
            live = self.compactor.store.tenant(tenant).live()
            deleted = history.model.deleted.must_be_gone()
            check_files([self.bucket.directory / meta.path for meta in live], deleted, set())

    def _adopt_all(self) -> None:
        for _ in range(8):
            self.time.advance(LEASE_S / 3)
            for node in self.nodes:
                node.beat()
                node.follower.poll()
                node.adopter.poll()

    def _check_entries(self) -> None:
        acknowledged = {row for push in self.pushes if push.is_acknowledged for row in push.rows}
        begun = {row for push in self.pushes for row in push.rows}
        for node in self.nodes:
            node.follower.poll()
            found = self._found(node)
            if lost := {row for row in acknowledged - found if not self._may_be_gone(row)}:
                raise Violation(f"{len(lost)} acknowledged entries lost: {sorted(lost)[:3]}")
            if found - begun:
                raise Violation(f"entries that nobody sent: {sorted(found - begun)[:3]}")

    def _may_be_gone(self, row: Row) -> bool:
        """Somebody has asked for that, whatever became of it."""
        tenant, app, ts_ns, line = row
        asked = self.tenants[TenantId(tenant)].model.deleted.asked.values()
        return any(one.names((app, ts_ns, line)) for one in asked)

    def stop(self) -> None:
        self.compactor.stop()
        for node in self.nodes:
            node.die()

    def _survived(self, step: Callable[[int], None], place: int) -> None:
        """Whichever process dies of a step begins anew."""
        if survived(partial(step, place), self.told):
            return
        if self.compactor.objects.is_dead:
            started(self.compactor.start, self.told, between=self.compactor.stop)
        for place, node in enumerate(self.nodes):
            if _store_of(node).is_dead:
                self._start_again(place)

    def _start_again(self, place: int) -> None:
        self.nodes[place].die()
        for _ in range(STARTS_MAX):
            with suppress(LodurError, Crash):
                self.nodes[place] = self._new_node()
                return
            self.time.advance(1.0)
            self.bucket.step(self.time)
        # Each failed start has left a lease, which the next one reads: with so many of them hardly any succeeds.
        self._fail(NO_FAULTS)
        self.nodes[place] = self._new_node()

    def _new_node(self) -> WalNode:
        self._started += 1
        spool = self.directory / f"spool-{self._started}"
        spool.mkdir()
        seed = f"{self._seed} {self._started}"
        store = FaultyStore(self.bucket, spool, seed, self.time, rates=self.rates, is_remote=True)
        writer_id = str(uuid.UUID(int=Random(f"{seed} writer").getrandbits(128), version=4))
        return WalNode(
            self.bucket.directory,
            self.time,
            skew_s=self._started % 20 if self._is_asked else self._started * 1234.5,
            faulty=store,
            writer_id=writer_id,
            knows_deletes=self._is_asked,
        )

    def _fail(self, rates: FaultRates) -> None:
        self.rates = rates
        self.compactor.rates = self.compactor.objects.rates = rates
        for node in self.nodes:
            _store_of(node).rates = rates


def _store_of(node: WalNode) -> FaultyStore:
    assert isinstance(node.faulty, FaultyStore)
    return node.faulty


def run_log_seed(seed: int) -> History:
    """Run one history. Raises Violation, with what was done as notes."""
    directory = Path(tempfile.mkdtemp(prefix="lodur-faults-", dir=MEMORY if MEMORY.is_dir() else None))
    with structlog.testing.capture_logs() as logs, watched_merges() as watch:
        schedule = LogSchedule(seed, directory)
        try:
            schedule.run()
        except (Exception, Crash) as error:
            error.add_note("\n".join((f"seed {seed}", *schedule.told, *(str(line) for line in logs[-12:]))))
            raise
        finally:
            schedule.stop()
            shutil.rmtree(directory)
    return History(schedule.told, watch.ways)
