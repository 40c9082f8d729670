"""`lodur query --stdin`: lines of standard input, asked without a server."""

from __future__ import annotations

import io

import orjson
import pytest

from lodur.cli import stdin_client
from lodur.cli.stdin_client import StdinClient, over_stdin
from lodur.model.errors import InvalidRequest
from tests.unit.cli.fake_loki import Cli

LINES = 'level=error a=1\nlevel=info a=2\n\nlevel=error {"a"} 3'


@pytest.mark.parametrize(
    ("query", "lines"),
    [
        ('| logfmt | level="error"', ["level=error a=1", 'level=error {"a"} 3']),
        ('{app="x", pod=~"}"} |= "info"', ["level=info a=2"]),
        ('!= "a=" != "{"', [""]),
        ("{app=`x`} |~ `{.*}`", ['level=error {"a"} 3']),
    ],
)
def test_lines_in_their_order(offline: Cli, query: str, lines: list[str]) -> None:
    result = offline("query", "--stdin", "--output=raw", query, typed=LINES)
    assert (result.exit_code, result.stdout.splitlines()) == (0, lines)


def test_all_lines_and_so_many(offline: Cli) -> None:
    many = "".join(f"{number}\n" for number in range(3000))
    assert offline("query", "--stdin", "-o", "raw", '{a="b"}', typed=many).stdout == many
    assert offline("query", "--stdin", "-o", "raw", "--limit=2", '{a="b"}', typed=many).stdout == "0\n1\n"
    assert offline("query", "--stdin", "-o", "raw", '{a="b"}', typed="").stdout == ""


def test_metrics(offline: Cli) -> None:
    query = 'sum by (level) (count_over_time({app="x"} | logfmt [2h]))'
    result = offline("query", "--stdin", "--step=1h", "-o", "json", query, typed=LINES)
    found = {each["metric"].get("level", ""): each["values"][-1][1] for each in orjson.loads(result.stdout)}
    assert found == {"error": "2", "info": "1", "": "1"}


def test_what_is_no_query(offline: Cli) -> None:
    result = offline("query", "--stdin", "| json | ", typed=LINES)
    assert result.exit_code == 1
    assert "parse error" in result.stderr


@pytest.mark.parametrize(
    ("query", "read"),
    [
        ('|= "x"', '{source="stdin"} |= "x"'),
        ('rate({a="}"}[1m]) / rate({b="{"} | x="{y}" [1m])', None),
    ],
)
def test_every_selector_is_replaced(query: str, read: str | None) -> None:
    wanted = read or 'rate({source="stdin"}[1m]) / rate({source="stdin"} | x="{y}" [1m])'
    assert over_stdin(query) == wanted


def test_large_input_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdin_client, "_CHUNK_BYTES", 7)
    client = StdinClient(io.BytesIO(b"a line of some length\nb\n\nlast"), now_ns=10**18)
    span = [("start", str(10**18 - 10**9)), ("end", str(10**18)), ("direction", "forward")]
    with pytest.raises(InvalidRequest):
        client.get("/loki/api/v1/query_range", [("query", "| x(")])
    found = orjson.loads(client.get("/loki/api/v1/query_range", [("query", '!= "nothing"'), *span]))
    client.close()
    values = [value for each in found["data"]["result"] for value in each["values"]]
    assert [int(at) for at, _ in values] == [10**18 - 4 + number for number in range(4)]
    assert [line for _, line in values] == ["a line of some length", "b", "", "last"]


def test_too_much_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdin_client, "STDIN_BYTES_MAX", 10)
    with pytest.raises(InvalidRequest, match="MiB on standard input"):
        StdinClient(io.BytesIO(b"0123456789\n"), now_ns=10**18)
