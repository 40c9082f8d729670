"""`python -m tests.differential --cases 50000 --seed 7`: many cases, with progress; ends with 1 at a difference."""

from __future__ import annotations

import argparse
import sys
import time

from tests.differential.cases import Difference, Tally, run_cases


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__)
    arguments.add_argument("--cases", type=int, default=50_000)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    begun_s = time.monotonic()

    def progress(tally: Tally) -> None:
        if tally.cases % 2000 == 0 or tally.cases == given.cases:
            print(f"{tally.cases} cases, {time.monotonic() - begun_s:.0f} s: {dict(tally.kinds)}", flush=True)

    try:
        run_cases(given.cases, given.seed, progress)
    except Difference as found:
        print(f"seed {given.seed}: a difference\n{found}", file=sys.stderr)
        return 1
    print(f"seed {given.seed}: {given.cases} cases without a difference")
    return 0


if __name__ == "__main__":
    sys.exit(main())
