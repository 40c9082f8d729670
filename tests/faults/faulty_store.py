"""An object store that fails: refuses, forgets to answer, is slow, answers late, lists what was, flips bits, dies.

What happens to a call follows from the seed, the call, its path and how often that was asked in a step of the schedule,
not from the order in which threads come: a seed gives the same faults again. For the same reason time that a call takes
passes at once only where no other thread is at work, else when the step has ended. Start at `FaultyStore`.
"""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from lodur.model.clock import ManualClock
from lodur.model.errors import Unavailable
from lodur.store.filesystem_store import FilesystemStore
from lodur.store.object_store import ListedObject, StoredObject
from tests.compacting_node import Crash


@dataclass(frozen=True, slots=True)
class FaultRates:
    """How often each fault comes, of a hundred calls that it can meet."""

    refused: float = 0.0
    """Nothing was done."""
    unanswered: float = 0.0
    """It was done, and the answer is an error."""
    late: float = 0.0
    """The answer is an error; it is done some steps later."""
    crashed: float = 0.0
    """The process dies, before or after it is done."""
    flipped: float = 0.0
    """A bit of what is read changes on the way."""
    stale: float = 0.0
    """A listing is as it was some steps before."""
    slow: float = 0.0
    """It takes a while, whatever comes of it then."""


NO_FAULTS = FaultRates()


def slow_percent(seed: int) -> float:
    """How many calls of a history take a while."""
    return Random(f"{seed} slow").choice([0.0, 0.0, 1.0, 5.0, 20.0])


@dataclass(frozen=True, slots=True)
class LateWrite:
    """A call that was answered with an error, and is carried out in a later step."""

    at_step: int
    spool: Path
    """Of the process that called."""
    work: Callable[[], object]


@dataclass(slots=True)
class Bucket:
    """What lies in the store, and what is still on its way to it; shared by all processes."""

    directory: Path
    steps: int = 0
    late: list[LateWrite] = field(default_factory=list)
    listings: dict[str, list[tuple[int, list[ListedObject]]]] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    """Numbers of paths in the order in which they were first named: names have random parts."""
    slow_s: float = 0.0
    """The longest time that a call beside others took in this step, for which the clock has not moved yet."""

    def step(self, clock: ManualClock) -> None:
        """Some time passes: what is due arrives."""
        clock.advance(self.slow_s)
        self.slow_s = 0.0
        self.steps += 1
        self._carry_out(lambda write: write.at_step <= self.steps)

    def settle(self) -> None:
        """Everything arrives."""
        self._carry_out(lambda _: True)

    def end_calls(self, spool: Path) -> None:
        """What the process with this spool has sent arrives."""
        self._carry_out(lambda write: write.spool == spool)

    def _carry_out(self, is_due: Callable[[LateWrite], bool]) -> None:
        due = [write for write in self.late if is_due(write)]
        self.late = [write for write in self.late if not is_due(write)]
        for write in due:
            write.work()


LISTINGS_KEPT = 4


class FaultyStore:
    """One process's access to a bucket. `is_remote` stores give no local files, as those in a cloud."""

    def __init__(
        self, bucket: Bucket, spool: Path, seed: str, clock: ManualClock, *, rates: FaultRates, is_remote: bool
    ):
        self.inner = FilesystemStore(bucket.directory)
        self.bucket = bucket
        self.rates = rates
        self.is_dead = False
        self.stale_lists = 0
        self.faults: Counter[str] = Counter()
        self._spool = spool
        self._seed = seed
        self._clock = clock
        self._is_remote = is_remote
        self._asked: Counter[tuple[str, str, str]] = Counter()
        self._flipped: dict[str, int] = {}
        self._lock = threading.Lock()
        self._throttled_until_s = 0.0
        self._throttled_step = 0

    def check(self, writer_prefix: str = "") -> None:
        self._begin("check", "")
        self.inner.check(writer_prefix)

    def get(self, path: str) -> StoredObject | None:
        chance = self._begin("get", path)
        found = self.inner.get(path)
        if found is not None and found.data and self._is_flipped(chance, path):
            return StoredObject(_flipped(found.data, chance), found.version)
        return found

    def get_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        chance = self._begin("read", path)
        parts = self.inner.get_ranges(path, ranges)
        if parts and parts[0] and self._is_flipped(chance, path):
            return [_flipped(parts[0], chance), *parts[1:]]
        return parts

    async def read_ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return self.get_ranges(path, ranges)

    def put_file(self, path: str, source: Path) -> None:
        chance = self._begin("put", path)
        dies = self._dies(chance)
        kept = self._spool / f"late-{chance.getrandbits(64):x}"
        shutil.copyfile(source, kept)
        put = self.inner.put_file
        if self._happens(chance, self.rates.late, "late"):
            self._later(chance, lambda: put(path, kept))
            raise Unavailable(f"put {path} timed out")
        put(path, kept)
        source.unlink()
        self._end(chance, dies, "put", path)

    def replace_if(self, path: str, data: bytes, version: str | None) -> str | None:
        chance = self._begin("replace", path)
        dies = self._dies(chance)
        replace_if = self.inner.replace_if
        if self._happens(chance, self.rates.late, "late"):
            self._later(chance, lambda: replace_if(path, data, version))
            raise Unavailable(f"replace {path} timed out")
        made = replace_if(path, data, version)
        self._end(chance, dies, "replace", path)
        return made

    def delete(self, path: str) -> None:
        chance = self._begin("delete", path)
        dies = self._dies(chance)
        delete = self.inner.delete
        if self._happens(chance, self.rates.late, "late"):
            self._later(chance, lambda: delete(path))
            raise Unavailable(f"delete {path} timed out")
        delete(path)
        self._end(chance, dies, "delete", path)

    def list_objects(self, prefix: str) -> list[ListedObject]:
        chance = self._begin("list", prefix)
        found = self.inner.list_objects(prefix)
        with self._lock:
            kept = self.bucket.listings.setdefault(prefix, [])
            old = [listed for step, listed in kept if step < self.bucket.steps]
            kept.append((self.bucket.steps, found))
            del kept[:-LISTINGS_KEPT]
        if old and self._happens(chance, self.rates.stale, "stale"):
            self.stale_lists += 1
            return chance.choice(old)
        return found

    def list_folders(self, prefix: str) -> list[str]:
        self._begin("folders", prefix)
        return self.inner.list_folders(prefix)

    def spool(self, path: str) -> Path:
        return self._spool / path.replace("/", "%")

    def local_path(self, path: str) -> Path | None:
        self._check_alive()
        return None if self._is_remote else self.inner.local_path(path)

    def _begin(self, call: str, path: str) -> Random:
        """What else happens to the call is up to this chance. Raises Unavailable, Crash."""
        chance = self._chance(call, path)
        self._refuse(chance, call, path)
        # None where nothing is slow: the other faults of a seed stay as they are.
        if self.rates.slow and self._happens(chance, self.rates.slow, "slow"):
            self._take_time(chance.choice(SLOW_S))
        return chance

    def _take_time(self, seconds: float) -> None:
        if _is_alone():
            self._clock.advance(seconds)
            return
        with self._lock:
            self.bucket.slow_s = max(self.bucket.slow_s, seconds)

    def _chance(self, call: str, path: str) -> Random:
        self._check_alive()
        with self._lock:
            number = self.bucket.names.setdefault(path, len(self.bucket.names))
            step = f"{self.bucket.steps} {self._clock.now_ns()}"
            # Counted anew in each step: where threads race, the histories of two runs meet again.
            self._asked[step, call, path] += 1
            return Random(f"{self._seed} {call} {number} {step} {self._asked[step, call, path]}")

    def _happens(self, chance: Random, percent: float, name: str) -> bool:
        happens = chance.random() * 100 < percent
        if happens:
            self.faults[name] += 1
        return happens

    def _is_flipped(self, chance: Random, path: str) -> bool:
        """Once in a step and path, so that a second look helps."""
        if self._flipped.get(path) == self.bucket.steps or not self._happens(chance, self.rates.flipped, "flipped"):
            return False
        self._flipped[path] = self.bucket.steps
        return True

    def _refuse(self, chance: Random, call: str, path: str) -> None:
        is_throttled = self._throttled_step < self.bucket.steps and self._clock.monotonic_s() < self._throttled_until_s
        if is_throttled:
            raise Unavailable(f"{call} {path}: slow down", retry_after_s=1.0)
        if self._happens(chance, self.rates.refused, "refused"):
            if chance.random() < THROTTLED:
                self._throttled_step = self.bucket.steps
                self._throttled_until_s = self._clock.monotonic_s() + 1.0
            raise Unavailable(f"{call} {path} was refused")

    def _dies(self, chance: Random) -> bool:
        dies = self._happens(chance, self.rates.crashed, "crashed")
        if dies and chance.random() < 0.5:
            self._die()
        return dies

    def _end(self, chance: Random, dies: bool, call: str, path: str) -> None:
        if dies:
            self._die()
        if self._happens(chance, self.rates.unanswered, "unanswered"):
            raise Unavailable(f"{call} {path}: the answer was lost")

    def _later(self, chance: Random, work: Callable[[], object]) -> None:
        self.bucket.late.append(LateWrite(self.bucket.steps + chance.randrange(1, 6), self._spool, work))

    def _die(self) -> None:
        self.is_dead = True
        raise Crash

    def _check_alive(self) -> None:
        if self.is_dead:
            raise Crash


THROTTLED = 0.2
"""Of refusals: from the next step on all calls are refused until the clock moves on."""


SLOW_S = (1.0, 3.0, 12.0, 25.0, 31.0, 61.0, 120.0)
"""Shorter and longer than what time decides on: how long delete requests are taken for known (10 s), a writer believes
in its lease (20 s) and others do (30 s), readers have for what was replaced and requests for what arrives (60 s)."""


def _is_alone() -> bool:
    """No other thread of the process calls the store meanwhile: a history waits for one compaction, or does a step."""
    thread = threading.current_thread()
    return thread is threading.main_thread() or thread.name.startswith("compact")


def _flipped(data: bytes, chance: Random) -> bytes:
    flipped = bytearray(data)
    place = chance.randrange(8 * len(flipped))
    flipped[place // 8] ^= 1 << place % 8
    return bytes(flipped)
