"""What is exported from one server, or from its store, and imported into another is the same to the last byte."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlencode

import pytest
import structlog
from click.testing import CliRunner, Result

from lodur.cli.main import lodur as commands
from tests.conftest import StartLodur
from tests.push_bodies import Entry, json_push
from tests.servers.lodur import LodurServer
from tests.servers.raw_http import ask

CONFIG = """
auth_enabled: false
limits_config: {reject_old_samples: false, max_entries_limit_per_query: 1000}
ingester: {wal: {flush_on_shutdown: false}}
compactor: {retention_enabled: true, delete_request_store: filesystem}
"""
T0 = 1_730_000_000_000_000_000
SPAN = ("--from", "2024-10-26", "--to", "2024-10-29")
ALL = '{app=~".+"}'
ENTRIES = 3500
DELETED = urlencode({"query": '{app="app-1"} |= ` "9" `', "start": T0 // 10**9, "end": T0 // 10**9 + 86400})


@pytest.fixture
def server(lodur_server: StartLodur) -> LodurServer:
    """A server with entries of every kind: metadata, newlines, empty lines, equal times, several streams."""
    started = lodur_server(config_text=CONFIG)
    streams: list[tuple[dict[str, str], list[Entry]]] = []
    for stream in range(5):
        entries: list[Entry] = [
            (
                T0 + number // 3 * 10**9 + number % 3 // 2,
                "" if number == 4 else f"line {number}\n" if number == 7 else f'{stream} "{number}" \u00e9\u2028\t',
                {"trace_id": f"t{number % 7}", "user.id": "\u00fc"} if number % 2 else {},
            )
            for number in range(ENTRIES // 5)
        ]
        streams.append(({"app": f"app-{stream}", "env": "pröd"}, entries))
    body = json_push(streams)
    assert ask(started.port, "POST", "/loki/api/v1/push", {"Content-Type": "application/json"}, body).status == 204
    return started


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """A store that is read in this process has its log configured; what is printed there is the command's."""
    yield
    structlog.reset_defaults()


def lodur(server: LodurServer, *words: str, cwd: Path) -> Result:
    with contextlib.chdir(cwd):
        return CliRunner().invoke(commands, [words[0], f"--addr={server.url}", *words[1:]], prog_name="lodur")


def exported(server: LodurServer, folder: Path, *words: str) -> Sequence[str]:
    done = lodur(server, "export", ALL, *SPAN, *words, cwd=folder)
    assert done.exit_code == 0, done.stderr
    return sorted(done.stdout.removesuffix("\n").split("\n"))


def test_round_trips_are_exact(lodur_server: StartLodur, server: LodurServer, tmp_path: Path) -> None:
    before = exported(server, tmp_path)
    assert len(before) == ENTRIES
    for target in ("all.parquet", "all.jsonl.gz"):
        assert lodur(server, "export", ALL, target, *SPAN, cwd=tmp_path).exit_code == 0
    assert not list(tmp_path.glob("*.tmp"))
    other = lodur_server(config_text=CONFIG)
    for source in ("all.parquet", "all.jsonl.gz"):
        done = lodur(other, "import", source, cwd=tmp_path)
        assert done.exit_code == 0, done.stderr
        assert done.stdout.startswith(f"imported {ENTRIES:,} entries")
        assert exported(other, tmp_path) == before


def test_a_store_is_read_with_its_server_up_and_down(server: LodurServer, tmp_path: Path) -> None:
    before = exported(server, tmp_path)
    own = ("--config-file", "lodur.yaml")
    partial = lodur(server, "export", ALL, *SPAN, *own, cwd=server.directory)
    assert "lines that it has not flushed yet are left out" in partial.stderr
    assert partial.stdout == ""
    assert ask(server.port, "POST", "/flush", {}, b"").status == 204
    assert exported(server, server.directory, *own) == before
    late = json_push([({"app": "late"}, [(T0 + 5, "only in the log", {})])])
    assert ask(server.port, "POST", "/loki/api/v1/push", {"Content-Type": "application/json"}, late).status == 204
    assert ask(server.port, "POST", f"/loki/api/v1/delete?{DELETED}", {}, b"").status == 204
    server.kill()
    after = exported(server, server.directory, *own)
    assert len(after) == ENTRIES + 1 - 1  # one more in the log, and one deleted
    assert exported(server, server.directory, *own) == after
    stored = exported(server, tmp_path, "--directory", str(server.data / "store"))
    assert len(stored) == ENTRIES - 1
    assert set(stored) <= set(before)
    server.start()
    assert exported(server, tmp_path) == after
