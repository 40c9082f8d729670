"""`python -m tests.fuzz_queries --cases 1000000 --seed 7 --processes 2`: many queries; ends with 1 at a failure."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from multiprocessing import get_context

from tests.fuzz_queries.fuzzing import Tally, fuzz_and_report


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m tests.fuzz_queries", description=__doc__)
    arguments.add_argument("--cases", type=int, default=1_000_000)
    arguments.add_argument("--seed", type=int, default=1, help="the first process takes it, the others those after it")
    arguments.add_argument("--processes", type=int, default=2)
    given = arguments.parse_args()
    share = -(-given.cases // given.processes)
    with get_context("spawn").Pool(given.processes) as pool:
        results = pool.starmap(fuzz_and_report, [(share, given.seed + number) for number in range(given.processes)])
    failures = [result for result in results if isinstance(result, str)]
    tallies = [result for result in results if isinstance(result, Tally)]
    for failure in failures:
        print(failure, file=sys.stderr)
    if tallies:
        statuses = sum((tally.statuses for tally in tallies), Counter[int]())
        batch_s = max(tally.slowest_batch_s for tally in tallies)
        query_s = max(tally.slowest_s for tally in tallies)
        peak_mib = max(tally.peak_bytes for tally in tallies) >> 20
        print(f"{statuses.total()} queries: {dict(statuses)}")
        print(f"slowest batch {batch_s:.2f} s, slowest query {query_s:.2f} s, peak {peak_mib} MiB a process")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
