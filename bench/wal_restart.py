"""How long a restart takes over a disk WAL that is full: `python -m bench.wal_restart`.

Pushes are taken until the WAL has so many bytes, with flushes put off; then the server is killed, and started with the
flushing that a server has by default. What is told: time until `/ready`, rate of the replay, peak memory, and how many
lines are found. Start at `main`.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

import click
from rich.console import Console
from rich.table import Table

from bench.bodies import in_pass
from bench.corpus import CACHE, Corpus, find_generator, open_corpus, prepare
from bench.figures import MB, mb_per_s
from bench.process_facts import cpu_s, memory
from tests.servers.lodur import LodurServer

BAR_S = 10.0
"""What a restart over 2 GB may take."""

READY_S_MAX = 600.0
REQUEST_S_MAX = 600.0

CONFIG = """\
auth_enabled: false
limits_config:
  reject_old_samples: false
  ingestion_rate_mb: 8192
  ingestion_burst_size_mb: 8192
  per_stream_rate_limit: 8GB
  per_stream_rate_limit_burst: 8GB
  max_global_streams_per_user: 0
  query_timeout: 10m
"""

UNFLUSHED = ("-lodur.ingester.flush-bytes=64GiB", "-lodur.ingester.head-max-bytes=64GiB")


class Failed(Exception):
    """The server did not do what was asked of it."""


@click.command()
@click.option("--mb", default=512, show_default=True, help="Size of the corpus that is pushed again and again, MiB.")
@click.option("--corpus", "corpus_directory", type=click.Path(path_type=Path), help="A corpus that is there already.")
@click.option("--wal-mb", default=2000, show_default=True, help="MB of the WAL, or of the lines in it.")
@click.option(
    "--of", type=click.Choice(["lines", "files"]), default="lines", show_default=True, help="What is counted."
)
def main(mb: int, corpus_directory: Path | None, wal_mb: int, of: str) -> None:
    """Measure the restart of this build over a full WAL on the disk."""
    corpus = open_corpus(corpus_directory) if corpus_directory else prepare(mb, find_generator(None, os.environ))
    console = Console()
    CACHE.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=CACHE) as directory:
        # Where the environment forbids bytecode, a fifth of a start would be the compiler's.
        compiled = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(CACHE / "bytecode")}
        server = LodurServer(Path(directory), config_text=CONFIG, arguments=UNFLUSHED, environment=compiled)
        server.start()
        try:
            lines, raw_bytes = _fill(server, corpus, wal_mb * MB, of)
            wal_bytes = _wal_bytes(server)
        finally:
            server.kill()
        again = LodurServer(Path(directory), config_text=CONFIG, environment=compiled)
        begun_s = time.monotonic()
        again.start(deadline_s=READY_S_MAX)
        ready_s = time.monotonic() - begun_s
        try:
            table = Table(title="restart over a full WAL", title_justify="left", show_header=False)
            table.add_row(
                "WAL on the disk", f"{wal_bytes / MB:.0f} MB, {lines} lines, {raw_bytes / MB:.0f} MB of lines"
            )
            table.add_row("until ready", f"{ready_s:.1f} s (bar: {BAR_S:g} s for 2 GB)")
            table.add_row("replay", _replayed(again.log()))
            table.add_row("rate, of lines", f"{mb_per_s(raw_bytes, ready_s):.0f} MB/s")
            table.add_row("CPU of the server", f"{cpu_s(again.process.pid):.1f} s")
            table.add_row("peak memory", f"{memory(again.process.pid).peak_bytes / MB:.0f} MB")
            table.add_row("lines found", str(_count(again, corpus)))
            console.print(table)
        finally:
            again.kill()


def _fill(server: LodurServer, corpus: Corpus, wanted_bytes: int, of: str) -> tuple[int, int]:
    """Push until there is so much; how many lines, and their bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=REQUEST_S_MAX)
    body_lines, body_bytes = corpus.meta.lines / corpus.meta.bodies, corpus.meta.bytes / corpus.meta.bodies
    for count, body in enumerate(_bodies(corpus), start=1):
        connection.request("POST", "/loki/api/v1/push", body, {"Content-Type": "application/x-protobuf"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 204:
            raise Failed(f"push: {answer.status} {text[:200]!r}")
        have_bytes = count * body_bytes if of == "lines" else _wal_bytes(server)
        if have_bytes >= wanted_bytes:
            connection.close()
            return round(count * body_lines), round(count * body_bytes)
    raise Failed("the corpus has no bodies")


def _bodies(corpus: Corpus) -> Iterator[bytes]:
    number = 0
    while paths := corpus.bodies():
        for path in paths:
            yield in_pass(path.read_bytes(), number)
        number += 1


def _wal_bytes(server: LodurServer) -> int:
    return sum(file.stat().st_size for file in (server.data / "wal").glob("*.wal"))


def _replayed(log: str) -> str:
    """What the server says of its replay."""
    found = re.findall(r'msg="write-ahead log read back" (.*)', log)
    return found[-1] if found else "nothing was told"


def _count(server: LodurServer, corpus: Corpus) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=REQUEST_S_MAX)
    span_s = (corpus.meta.end_ns - corpus.meta.start_ns) // 10**9 + 2
    query = f'sum(count_over_time({{cluster=~".+"}}[{span_s}s]))'
    asked = urlencode({"query": query, "time": str(corpus.meta.end_ns + 1)})
    connection.request("GET", f"/loki/api/v1/query?{asked}")
    answer = json.loads(connection.getresponse().read())
    connection.close()
    result = answer["data"]["result"]
    return int(result[0]["value"][1]) if result else 0


if __name__ == "__main__":
    main()
