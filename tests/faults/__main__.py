"""`python -m tests.faults --seeds 10000`: many histories, with progress; ends with 1 at a broken promise.

`python -m tests.faults --seed S` runs one history again and says what was done.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice

from tests.faults.log_schedule import run_log_seed
from tests.faults.schedule import run_seed

PROGRESS_EVERY = 250


def failure_of(run: Callable[[int], object], seed: int) -> tuple[int, str]:
    """The seed, and what went wrong; empty where nothing did."""
    try:
        run(seed)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong is a finding
        return seed, "\n".join((f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())))
    return seed, ""


def main() -> int:
    arguments = argparse.ArgumentParser(
        prog="python -m tests.faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--seed", type=int, help="run this history alone")
    arguments.add_argument("--seeds", type=int, default=10_000, help="how many histories")
    arguments.add_argument("--first", type=int, default=1, help="the first seed of them")
    arguments.add_argument("--processes", type=int, default=2, help="at the same time")
    arguments.add_argument("--object-wal", action="store_true", help="of processes whose logs lie in the object store")
    given = arguments.parse_args()
    run, kind = (run_log_seed, "--object-wal ") if given.object_wal else (run_seed, "")
    if given.seed is not None:
        _, failure = failure_of(run, given.seed)
        print(failure or "\n".join(run(given.seed)))
        return 1 if failure else 0
    return many(run, kind, given.first, given.seeds, given.processes)


def many(run: Callable[[int], object], kind: str, first: int, count: int, processes: int) -> int:
    """Run the histories of these seeds; 1 where one failed."""
    begun_s = time.monotonic()
    failed: list[int] = []
    with ProcessPoolExecutor(processes) as pool:
        results = pool.map(partial(failure_of, run), range(first, first + count), chunksize=10)
        for done in range(1, count + 1):
            for seed, failure in islice(results, 1):
                if failure:
                    failed.append(seed)
                    print(
                        f"{failure}\nagain: python -m tests.faults {kind}--seed {seed}\n", file=sys.stderr, flush=True
                    )
            if done % PROGRESS_EVERY == 0 or done == count:
                print(f"{done} seeds, {time.monotonic() - begun_s:.0f} s, {len(failed)} failed", flush=True)
    if failed:
        print(f"failed: {' '.join(map(str, failed))}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
