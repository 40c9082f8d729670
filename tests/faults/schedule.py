"""A random schedule of pushes, flushes, merges, crashes and damage, from one seed. Start at `run_seed`."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import structlog

from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_HOUR, NS_PER_S
from lodur.model.errors import LodurError
from lodur.model.matcher import Matcher, MatchOp
from lodur.store.compaction.options import KEEP_ALL, RetentionPeriods, StreamRetention
from lodur.store.days import NS_PER_DAY
from lodur.store.manifest import restored_manifest
from tests.compacting_node import Row
from tests.faults.bit_flips import chosen_file, flip_bit
from tests.faults.faulty_journal import no_room
from tests.faults.faulty_store import NO_FAULTS, Bucket, FaultRates, slow_percent
from tests.faults.history import History
from tests.faults.kept_results import check_counts
from tests.faults.leftovers import check_files, check_objects
from tests.faults.merges import watched_merges
from tests.faults.model import Model, Push
from tests.faults.new_rows import NewRows
from tests.faults.process import CANCEL_PERIOD_NS, TENANTS, Process, Site
from tests.faults.segment_rows import stored_rows
from tests.faults.sizes import sizes_of
from tests.faults.surviving import started, survived
from tests.faults.tenant_history import TenantHistory
from tests.faults.violation import Violation

FIRST_NS = 20_000 * NS_PER_DAY + 20 * NS_PER_HOUR

STEPS = 30

LOOKS = 0.15
"""Of the steps are followed by a look at what a process shows, without asking anew what others have done."""

KEPT = 0.5
"""Of the looks are at kept results too."""

OTHERS = 0.25
"""Of the steps are for the second tenant, where they are for one."""

OTHERS_LARGE = 0.08
"""The same where lines are long: what may be copied must come together."""

SAME_BODY = 0.2
"""Of the second tenant's pushes have the rows of one of the first's."""

OLDEST_NS = 60 * NS_PER_HOUR
"""Before the start of a history; no entry is older."""

_OF_X = (Matcher("app", MatchOp.EQUAL, "x"),)

PERIODS = (
    KEEP_ALL,
    KEEP_ALL,
    RetentionPeriods(5 * NS_PER_DAY),
    RetentionPeriods(0, (StreamRetention(_OF_X, 1, NS_PER_DAY),)),
    RetentionPeriods(2 * NS_PER_DAY, (StreamRetention(_OF_X, 1, NS_PER_DAY),)),
)

EXPIRED_S = 10 * 86_400
"""After which all that has a period has expired, with its day."""

RESTS = 2
"""Runs of the compactor until nothing is left to be done."""

MEMORY = Path("/dev/shm")
"""Files that need no disk, where there are such."""


class Schedule:
    """One history."""

    def __init__(self, seed: int, directory: Path, logs: Sequence[Mapping[str, Any]]) -> None:
        self.logs = logs
        self._seed = seed
        self.chance = Random(seed)
        self.clock = ManualClock(FIRST_NS)
        self.told: list[str] = []
        """What was done, for who reads of a violation."""
        self.bucket = Bucket(directory / "store")
        self._log_flips = 0
        self._flipped: dict[str, bytes] = {}
        """What files are in which a bit was flipped, of those that bear no more than one."""
        rates = replace(_rates(self.chance), slow=slow_percent(seed))
        remote = self.chance.random() < 0.6
        names = ("a", "b") if self.chance.random() < 0.4 else ("a",)
        self.site = Site(remote, self.chance.choice(PERIODS), sizes_of(seed))
        self._new = NewRows(self.clock, self.site.sizes)
        self.processes: dict[str, Process] = {}
        for name in names:
            self.processes[name] = Process(self.bucket, directory, name, str(seed), self.clock, self.site)
            self.processes[name].rates = self.processes[name].objects.rates = rates
        self.tenants = [TenantHistory(tenant, self.bucket, self.clock, self.processes) for tenant in TENANTS]
        self.of = self.tenants[0]
        """Whom the step is for."""
        self.of.deletes.choose_mode(self.chance)
        self.told.append(f"{rates} {self.site} processes={names} {self.processes['a'].mode}")

    @property
    def model(self) -> Model:
        return self.of.model

    def run(self) -> None:
        """Raises Violation."""
        weighted = self._steps()
        steps = [step for step, *_ in weighted]
        weights = [large if self.site.sizes.is_large else usual for _, usual, large in weighted]
        for number in range(STEPS):
            # Sizes and names have random parts: what one step draws of chance must not shift all later ones.
            self.chance = Random(f"{self._seed} {number}")
            (step,) = self.chance.choices(steps, weights)
            process = self.processes[self.chance.choice(list(self.processes))]
            self._choose_tenant(number)
            self.told.append(f"{process.name}: {step.__name__} {self.of.tenant} {len(self.model.pushes)}")
            self._survived(process, step)
            self.bucket.step(self.clock)
            for one in self.tenants:
                one.deletes.observe()
            if self.chance.random() < LOOKS:
                self._survived(process, self.look)
        self.end()

    def _choose_tenant(self, number: int) -> None:
        others = OTHERS_LARGE if self.site.sizes.is_large else OTHERS
        self.of = self.tenants[Random(f"{self._seed} {number} tenant").random() < others]

    def _steps(self) -> tuple[tuple[Callable[[Process], object], int, int], ...]:
        """Each with how often it comes, in histories of short lines and of long ones."""
        return (
            (self.push, 8, 2),
            (self.write, 0, 4),
            (self.end_day, 0, 4),
            (self.push_again, 2, 1),
            (self.push_some_again, 1, 1),
            (self.flush, 5, 4),
            (self.compact, 4, 6),
            (self.pass_time, 3, 3),
            (self.restart, 1, 1),
            (self.check, 3, 2),
            (self.flip_object, 1, 1),
            (self.flip_log, 1, 1),
            (self.flip_cache, 1, 1),
            (self.fill_disk, 1, 1),
            (self.delete, 3, 1),
            (self.carry_out, 2, 1),
            (self.push_deleted, 2, 1),
            (self.cancel, 1, 1),
            (self.choose_mode, 1, 1),
        )

    def push(self, process: Process) -> None:
        known = self.tenants[0].model.pushes
        if self.of is not self.tenants[0] and known and self.chance.random() < SAME_BODY:
            mine = {row for push in self.model.pushes for row in push.rows}
            fresh = [push for push in known if mine.isdisjoint(push.rows)]
            if fresh:
                self._push_new(process, sorted(self.chance.choice(fresh).rows))
                return
        self._push_new(process, self._new.any(self.chance))

    def _push_new(self, process: Process, rows: Sequence[Row]) -> None:
        push = Push(process.name, frozenset(rows))
        self.model.pushes.append(push)
        self._send(process, push)

    def push_again(self, process: Process) -> None:
        """A client's retry, mostly of what was not acknowledged."""
        mine = [push for push in self.model.pushes if push.name == process.name and push.is_atomic]
        if mine:
            push = self.chance.choice([push for push in mine if not push.is_acknowledged] or mine)
            self._send_again(process, push)

    def push_some_again(self, process: Process) -> None:
        """Some of the rows that this process or another has."""
        self._push_some(process, sorted({row for push in self.model.pushes for row in push.rows}))

    def _push_some(self, process: Process, known: Sequence[Row]) -> None:
        if known:
            rows = frozenset(self.chance.sample(known, min(len(known), 3)))
            for push in self.model.pushes:
                push.is_atomic = push.is_atomic and push.rows.isdisjoint(rows)
            push = Push(process.name, rows, is_atomic=False)
            # Another process, or this one before its start, may have them in segments.
            self.model.may_count_twice = True
            self.model.pushes.append(push)
            self._send(process, push)

    def push_deleted(self, process: Process) -> None:
        """What was deleted, or is to be, comes again: as the body that it was, or in another."""
        self.clock.advance(self.chance.choice([1.0, 61.0]))
        named = self.model.deleted.named()
        known = [push for push in self.model.pushes if push.name == process.name and not named.isdisjoint(push.rows)]
        if known and self.chance.random() < 0.5:
            self._send_again(process, self.chance.choice(known))
        else:
            self._push_some(process, sorted(named))

    def _send_again(self, process: Process, push: Push) -> None:
        # A body is known as long as the process lives and nothing is deleted, later as long as it is in the log.
        is_known = push.starts == process.starts and not self.model.deleted.has_started
        self.model.may_count_twice = self.model.may_count_twice or not is_known
        self._send(process, push)

    def _send(self, process: Process, push: Push) -> None:
        push.starts = process.starts
        push.is_flushed = push.is_flushed and not push.may_be_lost
        self.model.deleted.sent(process.name, push.rows, self.clock.now_ns(), process.deletions.known(self.of.tenant))
        process.push(sorted(push.rows), self.of.tenant)
        self.model.deleted.acknowledged(process.name, push.rows)
        push.is_acknowledged = True
        push.may_be_lost = False

    def flush(self, process: Process) -> None:
        process.flush()
        for one in self.tenants:
            one.model.flushed(process.name)

    def compact(self, process: Process) -> None:
        process.compact()

    def write(self, process: Process) -> None:
        """Segments one after the other, as a process writes them that nothing happens to."""
        for _ in range(2):
            self._push_new(process, self._new.large(self.chance, self.chance.choice(["xy", "yz", "xyz"])))
            self.flush(process)
            self.clock.advance(60.0)

    def end_day(self, process: Process) -> None:
        """What there is of a day is merged; then entries of it come late, or again, or go."""
        self.write(process)
        self.clock.advance((NS_PER_DAY - self.clock.now_ns() % NS_PER_DAY) / NS_PER_S + 3700)
        self.compact(process)
        what = self.chance.choice(["late", "late", "again", "deleted"])
        self.told.append(f"   {what}")
        if what == "deleted":
            self.delete(process)
            self.carry_out(process)
            return
        for _ in range(2):
            if what == "late":
                app, late_h = self.chance.choice("xyz"), self.chance.choice([2, 2, 2, 3, 6])
                self._push_new(process, self._new.large(self.chance, app, late_h))
            else:
                self.push_some_again(process)
            self.flush(process)
            self.clock.advance(60.0)
        self.compact(process)

    def pass_time(self, process: Process) -> None:
        del process
        usual, large = [1, 1, 40, 200, 900], [1, 1, 1, 1, 40, 200, 900]
        self.clock.advance(60.0 * self.chance.choice(large if self.site.sizes.is_large else usual))

    def restart(self, process: Process) -> None:
        process.stop()
        process.start()

    def delete(self, process: Process) -> None:
        self.told.append(f"   {self.of.deletes.delete(process, self.chance)}")

    def carry_out(self, process: Process) -> None:
        """The compactor comes after requests can be cancelled no more."""
        self.clock.advance(CANCEL_PERIOD_NS / NS_PER_S + 1)
        process.compact()

    def cancel(self, process: Process) -> None:
        self.told.append(f"   {self.of.deletes.cancel(process, self.chance)}")

    def choose_mode(self, process: Process) -> None:
        """What requests do for the tenant from now on."""
        self.of.deletes.choose_mode(self.chance)
        self.told.append(f"   {process.mode}")

    def fill_disk(self, process: Process) -> None:
        """Things are tried while there is no room, and again when there is."""
        with no_room(self.chance.choice([0, 100, 500, 3000])):
            for step in (self.push, self.flush, self.compact):
                try:
                    step(process)
                except (LodurError, OSError):
                    continue

    def flip_object(self, process: Process) -> None:
        """A bit of a segment, a manifest or delete requests changes where it lies."""
        folders = [f"{self.of.tenant}/{kind}" for kind in ("segments", "manifest", "deletes")]
        file = chosen_file(self.bucket, folders, self.chance)
        if file is None:
            return
        path = file.relative_to(self.bucket.directory).as_posix()
        if file.suffix == ".parquet":
            self.model.at_risk[path] = self._rows_of(path)
        if path in self._flipped and file.read_bytes() == self._flipped[path]:
            return
        place = flip_bit(file, self.chance)
        if file.parent.name == "manifest" and self.chance.random() < 0.3:
            # Neither the document nor the copy in it is whole then.
            file.write_bytes(file.read_bytes()[: 8 * 40])
        if file.parent.name == "manifest" and restored_manifest(file.read_bytes(), path) is None:
            self.model.is_rebuilt()
        if "/deletes/" in path:
            # Nothing but a second copy could tell what the first said: one bit until it is found.
            self._flipped[path] = file.read_bytes()
        self.told.append(f"   bit {place} of {path}")

    def flip_log(self, process: Process) -> None:
        """A bit of a log file changes while the process is away."""
        process.stop()
        files = sorted(process.wal_directory.glob("*.wal"))
        files = [file for file in files if file.stat().st_size]
        if files:
            file = self.chance.choice(files)
            self.told.append(f"   bit {flip_bit(file, self.chance)} of {file.name}")
            self._log_flips += 1
        for one in self.tenants:
            one.model.log_damaged(process.name, self._log_flips)
        process.start()

    def flip_cache(self, process: Process) -> None:
        """A bit of what a process has on its disk of remote segments changes: nobody notices."""
        files = sorted(file for file in process.cache_directory.rglob("*.ranges") if file.stat().st_size)
        if files:
            file = self.chance.choice(files)
            self.told.append(f"   bit {flip_bit(file, self.chance)} of {file.name}")

    def look(self, process: Process) -> list[Row]:
        """What is deleted stays so, whatever the process has read of others; kept results are those of a scan."""
        known = process.known(self.of.tenant)
        rows = process.rows(self.of.tenant)
        self.model.check_each_once(rows)
        self.model.check_hidden(rows, of=process.name)
        if any(self.of.is_rebuilt(line) for line in self.logs):
            self.model.is_rebuilt()
        check_counts(
            process,
            self.of.tenant,
            rows,
            FIRST_NS - OLDEST_NS,
            known=known,
            may_count_twice=self.model.may_count_twice,
            keeps=self.chance.random() < KEPT,
        )
        return rows

    def check(self, process: Process) -> int:
        """Compare what is found with the model, mostly while faults go on; how many records have been lost."""
        process.refresh(self.of.tenant)
        self.of.deletes.observe()
        set_aside = process.store.set_aside()
        rows = self.look(process)
        if not process.knows_all_days or process.store.set_aside().keys() != set_aside.keys():
            return 0
        # While a flush waits to be tried again, its days are seen as they were before.
        sees_others = not process.store.tenant(self.of.tenant).unflushed()
        known = {request.id: request for request in process.deletions.known(self.of.tenant).requests}
        may_be_gone = self.model.deleted.may_hide(process.name, known, sees_others=sees_others) | self._expired()
        return self.model.check_all(
            rows, of=process.name, sees_others=sees_others, set_aside=set_aside, may_be_gone=frozenset(may_be_gone)
        )

    def _expired(self) -> set[Row]:
        """The entries that are older than they are kept."""
        now_ns, periods = self.clock.now_ns(), self.site.periods
        of_x = dict.fromkeys("x" if periods.streams else "", NS_PER_DAY)
        return {
            row
            for push in self.model.pushes
            for row in push.rows
            if (period_ns := of_x.get(row[0], periods.period_ns)) and row[1] < now_ns - period_ns
        }

    def end(self) -> None:
        """No more faults: all is there, everything merges, nothing lies about."""
        self.told.append("end")
        for process in self.processes.values():
            process.rates = process.objects.rates = NO_FAULTS
            process.journal.crash_percent = 0
        self.clock.advance(60)
        self.bucket.settle()
        for process in self.processes.values():
            self.restart(process)
            self._check_tenants(process)
            self.flush(process)
        self.clock.advance(3 * 86_400)
        for process in self.processes.values():
            self.compact(process)
            self._check_tenants(process)
        self._rest()
        self._check_objects()

    def _present(self) -> list[TenantHistory]:
        """The tenants that have sent or asked for anything."""
        return [one for one in self.tenants if one.model.pushes or one.model.deleted.asked]

    def _check_tenants(self, process: Process) -> None:
        lost = 0
        for one in self._present():
            self.of = one
            lost += self.check(process)
        if lost > self._log_flips:
            raise Violation(f"{lost} records of all tenants are lost by {self._log_flips} flipped bits")

    def _rest(self) -> None:
        """Everything that may be deleted is: by requests, by age, and objects that nobody reads any more."""
        process = self.processes["a"]
        self.clock.advance(EXPIRED_S)
        for _ in range(RESTS):
            self.compact(process)
            self.clock.advance(3600)
        for one in self._present():
            one.deletes.observe()
            one.deletes.check_processed(process)
        for process in self.processes.values():
            self._check_tenants(process)

    def _check_objects(self) -> None:
        for process in self.processes.values():
            process.stop()
        for process in self.processes.values():
            process.start()
        process = self.processes["a"]
        for one in self._present():
            self.of = one
            process.refresh(self.of.tenant)
            check_objects(process, self.of.tenant)
            live = process.store.tenant(self.of.tenant).live()
            files = [self.bucket.directory / meta.path for meta in live if meta.path not in self.model.at_risk]
            check_files(files, self.model.deleted.must_be_gone(), self._expired())

    def _survived(self, process: Process, step: Callable[[Process], object]) -> None:
        if not survived(lambda: step(process), self.told):
            started(process.start, self.told, between=process.stop)

    def _rows_of(self, path: str) -> frozenset[Row]:
        """The rows of a segment, or all where an earlier flip may have changed it."""
        if path in self.model.at_risk:
            return self.model.at_risk[path]
        return stored_rows([self.bucket.directory / path])

    def stop(self) -> None:
        for process in self.processes.values():
            process.stop()


def _rates(chance: Random) -> FaultRates:
    def rate() -> float:
        return chance.choice([0.0, 0.0, 1.0, 5.0, 20.0])

    return FaultRates(
        refused=rate(),
        unanswered=rate(),
        late=rate(),
        crashed=chance.choice([0.0, 1.0, 5.0, 10.0]),
        flipped=chance.choice([0.0, 0.0, 1.0, 5.0]),
        stale=rate(),
    )


def run_seed(seed: int) -> History:
    """Run one history. Raises Violation, with what was done as notes."""
    directory = Path(tempfile.mkdtemp(prefix="lodur-faults-", dir=MEMORY if MEMORY.is_dir() else None))
    with structlog.testing.capture_logs() as logs, watched_merges() as watch:
        schedule = Schedule(seed, directory, logs)
        try:
            schedule.run()
            bugs = [line for line in logs if "unexpectedly" in line["event"]]
            if bugs:
                raise Violation(f"the compactor met a bug: {bugs[0]}")
        except BaseException as error:
            error.add_note("\n".join((f"seed {seed}", *schedule.told, *(str(line) for line in logs[-LOGS_SHOWN:]))))
            raise
        finally:
            schedule.stop()
            shutil.rmtree(directory)
    return History(schedule.told, watch.ways)


LOGS_SHOWN = 12
