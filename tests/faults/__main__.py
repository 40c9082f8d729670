"""`python -m tests.faults --seeds 10000`: many histories, with progress; ends with 1 at a broken promise.

`python -m tests.faults --seed S` runs one history again and says what was done. Both say what merges did.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from tests.faults.history import History
from tests.faults.log_schedule import run_log_seed
from tests.faults.merges import Way, Ways
from tests.faults.schedule import run_seed

PROGRESS_EVERY = 250

Run = Callable[[int], History]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a seed."""

    seed: int
    failure: str = ""
    """Empty where nothing went wrong."""
    ways: Ways = field(default_factory=Counter)


def outcome_of(run: Run, seed: int) -> Outcome:
    """Run a history, whatever comes of it."""
    try:
        return Outcome(seed, ways=run(seed).ways)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong is a finding
        return Outcome(seed, "\n".join((f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ()))))


def main() -> int:
    arguments = argparse.ArgumentParser(
        prog="python -m tests.faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--seed", type=int, help="run this history alone")
    arguments.add_argument("--seeds", type=int, default=10_000, help="how many histories")
    arguments.add_argument("--first", type=int, default=1, help="the first seed of them")
    arguments.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="at the same time; all processors"
    )
    arguments.add_argument("--object-wal", action="store_true", help="of processes whose logs lie in the object store")
    given = arguments.parse_args()
    run, kind = (run_log_seed, "--object-wal ") if given.object_wal else (run_seed, "")
    if given.seed is not None:
        return one(run, given.seed)
    return many(run, kind, given.first, given.seeds, given.processes)


def one(run: Run, seed: int) -> int:
    """Run a history and tell of it; 1 where it failed."""
    told: list[str] = []

    def telling(seed: int) -> History:
        history = run(seed)
        told.extend(history.told)
        return history

    outcome = outcome_of(telling, seed)
    print(outcome.failure or "\n".join((*told, *_lines(outcome.ways))))
    return 1 if outcome.failure else 0


def many(run: Run, kind: str, first: int, count: int, processes: int) -> int:
    """Run the histories of these seeds; 1 where one failed."""
    begun_s = time.monotonic()
    failed: list[int] = []
    ways: Ways = Counter()
    copying = 0
    with ProcessPoolExecutor(processes) as pool:
        results = pool.map(partial(outcome_of, run), range(first, first + count), chunksize=10)
        for done in range(1, count + 1):
            for outcome in islice(results, 1):
                ways += outcome.ways
                copying += bool(outcome.ways[Way.COPIED])
                if outcome.failure:
                    failed.append(outcome.seed)
                    again = f"again: python -m tests.faults {kind}--seed {outcome.seed}"
                    print(f"{outcome.failure}\n{again}\n", file=sys.stderr, flush=True)
            if done % PROGRESS_EVERY == 0 or done == count:
                print(f"{done} seeds, {time.monotonic() - begun_s:.0f} s, {len(failed)} failed", flush=True)
    if ways:
        print("\n".join((f"{copying} seeds with merges that copied", *_lines(ways))))
    if failed:
        print(f"failed: {' '.join(map(str, failed))}", file=sys.stderr)
    return 1 if failed else 0


def _lines(ways: Ways) -> list[str]:
    return [f"{ways[way]} {way}" for way in Way] if ways else []


if __name__ == "__main__":
    sys.exit(main())
