"""What Lodur flushed, another engine reads and counts the same."""

from __future__ import annotations

import duckdb

from tests.conftest import StartLodur
from tests.system.conftest import Connect
from tests.system.pushing import DAY_NS, config_text, push_body


def test_duckdb_counts_what_lodur_counts(lodur_server: StartLodur, connect: Connect, now_ns: int) -> None:
    server = lodur_server(config_text=config_text())
    client = connect(server)
    for number in range(40):
        assert client.push(push_body(1, number, now_ns)[0]) == 204
    client.request("POST", "/flush")
    counted = client.metric('sum(count_over_time({app="crash"} |= "1" [72h]))', now_ns + DAY_NS)
    files = f"{server.data}/store/fake/segments/*/*.parquet"
    found = duckdb.connect().execute(
        "select count(*) from read_parquet($files, union_by_name = true) where app = 'crash' and contains(line, '1')",
        {"files": files},
    )
    assert found.fetchall() == [(counted,)]
    assert counted > 0
