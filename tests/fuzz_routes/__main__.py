"""`python -m tests.fuzz_routes --seconds 600 --seed 7`: many requests; ends with 1 at a failure."""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

from tests.fuzz_routes.fuzzing import Failed, Fuzzer
from tests.fuzz_routes.routes import ALL_ON, lodur_routes
from tests.servers.lodur import LodurServer
from tests.servers.memory import peak_bytes

_FAILURE = re.compile(r"ts=\S+ level=(error|critical)|Traceback|thread .* panicked")


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m tests.fuzz_routes", description=__doc__)
    arguments.add_argument("--seconds", type=float, default=600)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="fuzz-routes") as directory:
        server = LodurServer(Path(directory), config_text=ALL_ON)
        server.start()
        try:
            tally = Fuzzer(server, lodur_routes(), given.seed).run(given.seconds)
        except Failed as failed:
            print(f"seed {given.seed}: {failed}\n{server.process.log_tail()}", file=sys.stderr)
            return 1
        finally:
            peak_mib = peak_bytes(server) >> 20 if server.process.is_running() else 0
            server.kill()
        print(f"{tally.statuses.total()} requests: {dict(sorted(tally.statuses.items()))}")
        print(f"slowest {tally.slowest_s:.2f} s, peak {peak_mib} MiB, routes that succeeded: {len(tally.successes)}")
        errors = server_errors(server)
        print("\n".join(errors[:20]))
    return 1 if errors else 0


def server_errors(server: LodurServer) -> list[str]:
    """What the server logged as its own failure."""
    return [line for line in server.log().splitlines() if _FAILURE.match(line)]


if __name__ == "__main__":
    sys.exit(main())
