"""`lodur sql` over stores that a server has written: on disk and in a bucket, of one tenant and of several."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pyarrow.parquet as pq
import pytest
import structlog
from click.testing import CliRunner, Result

from lodur.cli.main import lodur
from tests.conftest import StartLodur
from tests.push_bodies import Entry, json_push
from tests.servers.lodur import LODUR, LodurServer
from tests.servers.raw_http import ask
from tests.servers.s3 import S3Server
from tests.system.test_serve_s3 import config_text as s3_config

T0 = 1_730_000_000_000_000_000
DAY_NS = 86_400 * 10**9
CONFIG = """
auth_enabled: {auth}
limits_config: {{reject_old_samples: false}}
"""


def push(server: LodurServer, tenant: str = "", lines: int = 300) -> None:
    """Lines of two days, flushed."""
    entries: list[Entry] = [
        (T0 + number % 2 * DAY_NS + number, f"line {number}", {"trace_id": f"t{number}"}) for number in range(lines)
    ]
    body = json_push([({"app": "shop", "stream": "stdout"}, entries), ({"app": "bank"}, entries[:10])])
    headers = {"X-Scope-OrgID": tenant} if tenant else {}
    pushed = ask(server.port, "POST", "/loki/api/v1/push", {"Content-Type": "application/json", **headers}, body)
    assert pushed.status == 204
    assert ask(server.port, "POST", "/flush", headers, b"").status == 204


def sql(server: LodurServer, *words: str) -> Result:
    with contextlib.chdir(server.directory):
        return CliRunner().invoke(lodur, ["sql", "--config-file", "lodur.yaml", *words], prog_name="lodur")


def rows(server: LodurServer, *words: str) -> list[dict[str, object]]:
    done = sql(server, "-o", "jsonl", *words)
    assert done.exit_code == 0, done.stderr
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """The command configures the log; what it prints there is not that of other tests."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> LodurServer:
    """A server's directory, after it has stopped."""
    made = LodurServer(tmp_path_factory.mktemp("sql"), config_text=CONFIG.format(auth="false"))
    try:
        made.start()
        push(made)
    finally:
        made.kill()
    return made


def test_views_forms_and_pruning(server: LodurServer, tmp_path: Path) -> None:
    counted = rows(server, "select app, count(*) as n from logs group by app order by app")
    assert counted == [{"app": "bank", "n": 10}, {"app": "shop", "n": 300}]
    exact = rows(server, "select ts_ns, stream, trace_id from logs where line = 'line 7' and app = 'shop'")
    assert exact == [{"ts_ns": T0 + DAY_NS + 7, "stream": "stdout", "trace_id": "t7"}]
    first_day = (
        "--to",
        "2024-10-28",
        "select count(*) as n, count(distinct date_trunc('day', timestamp)) as d from logs",
    )
    assert rows(server, *first_day) == [{"n": 155, "d": 1}]
    assert rows(server, "--to", "2020-01-01", "select count(*) as n from logs") == [{"n": 0}]
    table = sql(server, "--max-rows", "1", "select 'a' as x, 1 as long_name union all select 'b', 2")
    assert table.stdout == "x  long_name\na  1\n"
    assert table.stderr == "only the first 1 rows are shown\n"
    written = tmp_path / "x.parquet"
    assert sql(server, "-o", "parquet", "--file", str(written), "select * from logs").exit_code == 0
    assert pq.read_table(written).num_rows == 310
    assert "timestamp" in sql(server, "describe logs").stdout
    assert sql(server, "set threads = 1; select 1 as one", "-o", "csv").stdout == "one\n1\n"
    assert sql(server, "explain select 1").exit_code == 0
    assert rows(server, "select count(*) as n from fake.logs") == [{"n": 310}]


def test_only_live_segments_are_read(server: LodurServer) -> None:
    segment = next((server.data / "chunks").rglob("*.parquet"), None) or next(server.data.rglob("*.parquet"))
    shutil.copy(segment, segment.with_name("of-a-crash.parquet"))
    assert rows(server, "select count(*) as n from logs") == [{"n": 310}]


DELETING = """
compactor: {retention_enabled: true, delete_request_store: s3}
"""


@pytest.mark.parametrize("mode", ["filter-and-delete", "filter-only"])
def test_what_is_deleted_is_not_shown(lodur_server: StartLodur, s3_server: S3Server, mode: str) -> None:
    """Long before the compactor takes it out: of a segment some entries, and another as a whole."""
    limits = f"limits_config: {{reject_old_samples: false, deletion_mode: {mode}}}"
    server = lodur_server(config_text=f"{s3_config(s3_server, s3_server.new_bucket())}{limits}{DELETING}")
    push(server)
    before = rows(server, "select app, line, trace_id from logs order by app, ts_ns")
    for query, start_ns, end_ns in (
        ('{app="shop"} | trace_id=~"t.*7"', T0, T0 + 10**9),
        ('{app=~".+"}', T0 + DAY_NS, T0 + 2 * DAY_NS),
    ):
        span = urlencode({"query": query, "start": start_ns // 10**9, "end": end_ns // 10**9})
        assert ask(server.port, "POST", f"/loki/api/v1/delete?{span}", {}, b"").status == 204
    left = [row for row in before if int(str(row["trace_id"])[1:]) % 2 == 0]
    assert 0 < len(left) < len(before)
    assert rows(server, "select app, line, trace_id from logs order by app, ts_ns") == left
    server.kill()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("select nope from logs",), 'Referenced column "nope" not found'),
        (("select",), "Parser Error"),
        (("",), "there is no statement"),
        (("-o", "parquet", "select 1"), "is written with --file"),
        (("--tenant", "..", "select 1"), "tenant ID is '.' or '..'"),
        (("--file", "/no/such/x.csv", "select 1"), "/no/such/x.csv"),
    ],
)
def test_what_is_refused(server: LodurServer, words: tuple[str, ...], said: str) -> None:
    done = sql(server, *words)
    assert done.exit_code != 0
    assert said in done.stderr


def test_tenants(lodur_server: StartLodur) -> None:
    server = lodur_server(config_text=CONFIG.format(auth="true"))
    push(server, "team-a", lines=20)
    push(server, "team'b", lines=30)
    unnamed = sql(server, "select 1")
    assert "choose with --tenant (repeatable): team'b, team-a" in unnamed.stderr
    assert rows(server, "--tenant", "team-a", "select count(*) as n from logs") == [{"n": 30}]
    both = ("--tenant", "team-a", "--tenant", "team'b")
    assert rows(server, *both, "select tenant, count(*) as n from logs group by 1 order by 1 desc") == [
        {"tenant": "team-a", "n": 30},
        {"tenant": "team'b", "n": 40},
    ]
    assert rows(server, *both, 'select count(*) as n from "team\'b".logs') == [{"n": 40}]


def test_a_bucket_is_read_where_it_is(lodur_server: StartLodur, s3_server: S3Server) -> None:
    config = s3_config(s3_server, s3_server.new_bucket()) + "limits_config: {reject_old_samples: false}\n"
    server = lodur_server(config_text=config)
    push(server)
    assert rows(server, "select app, count(*) as n from logs group by app order by app") == [
        {"app": "bank", "n": 10},
        {"app": "shop", "n": 300},
    ]
    export = [str(LODUR), "export", '{app="bank"}', "--config-file=lodur.yaml", "--from=2024-10-27", "--to=2024-10-30"]
    exported = subprocess.run(export, cwd=server.directory, capture_output=True, text=True, timeout=120, check=False)
    assert len(exported.stdout.splitlines()) == 10, exported.stderr
