"""`python -m bench.tails`: many live tails beside a steady stream of pushes.

Each tail follows one of some apps, so that all lines are wanted by somebody. What is measured is how long after the
answer to its push a line was seen, and whether each tail that missed lines was told so: a tail that saw fewer lines
than were pushed for it, and was never sent `dropped_entries`, is a lost notification, and the exit status is then 1.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

import click
import httpx
import orjson
from websockets.asyncio.client import connect

from tests.servers.lodur import LodurServer

LINE_BYTES = 200
LINES_PER_PUSH = 500
SETTLE_S = 5.0
"""After the last push: all that will be seen has been by then."""

CONFIG = """
auth_enabled: false
limits_config:
  max_concurrent_tail_requests: 0
  ingestion_rate_mb: 1024
  ingestion_burst_size_mb: 1024
  per_stream_rate_limit: 1GB
  per_stream_rate_limit_burst: 1GB
"""


@dataclass(slots=True)
class Seen:
    """What one tail saw."""

    app: str
    lines: int = 0
    notices: int = 0
    """Messages with `dropped_entries`."""
    delays_s: list[float] = field(default_factory=list)
    """Of the first line of each message, from the moment it was made."""


async def follow(port: int, seen: Seen) -> None:
    url = f"ws://127.0.0.1:{port}/loki/api/v1/tail?" + urlencode({"query": f'{{app="{seen.app}"}}'})
    async with connect(url, max_size=None, proxy=None) as socket:
        async for message in socket:
            frame = orjson.loads(message)
            if frame["streams"]:
                made_ns = int(frame["streams"][-1]["values"][0][0])
                seen.delays_s.append((time.time_ns() - made_ns) / 1e9)
            seen.lines += len(frame["streams"])
            seen.notices += 1 if "dropped_entries" in frame else 0


async def push_steadily(port: int, apps: list[str], *, mb_per_s: float, seconds: float) -> int:
    """Push in turn for each app; the number of lines that each got."""
    rounds = int(mb_per_s * 1e6 * seconds / (LINE_BYTES * LINES_PER_PUSH * len(apps)))
    began_s = time.monotonic()
    async with httpx.AsyncClient(timeout=60) as client:
        for done in range(rounds):
            for number, app in enumerate(apps):
                now_ns = time.time_ns()
                values = [[str(now_ns + line), f"{line:08d}".ljust(LINE_BYTES, "x")] for line in range(LINES_PER_PUSH)]
                body = json.dumps({"streams": [{"stream": {"app": app}, "values": values}]})
                answer = await client.post(
                    f"http://127.0.0.1:{port}/loki/api/v1/push",
                    content=body,
                    headers={"Content-Type": "application/json"},
                )
                answer.raise_for_status()
                share = (done * len(apps) + number + 1) / (rounds * len(apps))
                await asyncio.sleep(max(0.0, began_s + share * seconds - time.monotonic()))
    return rounds * LINES_PER_PUSH


async def measure(port: int, *, tails: int, apps: int, mb_per_s: float, seconds: float) -> bool:
    """Print the figures; whether every tail that missed lines was told."""
    names = [f"app-{number}" for number in range(apps)]
    all_seen = [Seen(names[number % apps]) for number in range(tails)]
    following = [asyncio.create_task(follow(port, seen)) for seen in all_seen]
    await asyncio.sleep(SETTLE_S)
    began_s = time.monotonic()
    pushed = await push_steadily(port, names, mb_per_s=mb_per_s, seconds=seconds)
    took_s = time.monotonic() - began_s
    await asyncio.sleep(SETTLE_S)
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)
    delays = sorted(delay for seen in all_seen for delay in seen.delays_s)
    missing = [seen for seen in all_seen if seen.lines < pushed]
    untold = [seen for seen in missing if not seen.notices]
    print(f"pushed            {pushed * apps * LINE_BYTES / took_s / 1e6:.1f} MB/s, {pushed * apps} lines")
    print(f"seen              {sum(seen.lines for seen in all_seen)} of {pushed * tails} lines by {tails} tails")
    if delays:
        p50, p99 = delays[len(delays) // 2], delays[len(delays) * 99 // 100]
        print(f"seen after        p50 {p50:.3f} s, p99 {p99:.3f} s, at most {delays[-1]:.3f} s")
    print(f"tails with gaps   {len(missing)}, of which were never told: {len(untold)}")
    return not untold


@click.command()
@click.option("--tails", default=200, show_default=True)
@click.option("--apps", default=20, show_default=True, help="Streams that the tails divide among them.")
@click.option("--mb-per-s", default=10.0, show_default=True)
@click.option("--seconds", default=20.0, show_default=True)
def main(tails: int, apps: int, mb_per_s: float, seconds: float) -> None:
    """Measure live tails on this machine, server and clients together."""
    with TemporaryDirectory() as directory:
        server = LodurServer(Path(directory), config_text=CONFIG)
        server.start()
        try:
            told = asyncio.run(measure(server.port, tails=tails, apps=apps, mb_per_s=mb_per_s, seconds=seconds))
        finally:
            server.kill()
    sys.exit(0 if told else 1)


if __name__ == "__main__":
    main()
