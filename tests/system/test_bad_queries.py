"""Whatever is asked, the server says what is wrong with it, soon, and goes on."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from tests.push_bodies import Entry, json_push
from tests.servers.lodur import LodurServer
from tests.servers.memory import peak_bytes
from tests.servers.raw_http import Answer, ask, exchange
from tests.system.malformed_queries import CONFIG, FORM, LABELS, LOGS, MALFORMED, RANGE, SERIES, TENANT, Malformed

ANSWER_MAX_S = 25.0
"""No answer may take longer, whatever is asked: a guard against hangs on busy machines, not a measure."""

GROWTH_MAX_BYTES = 400 * 2**20
"""Peak over the start: bodies of 10 MB, syntax trees of the longest queries, compiled patterns."""

LINES = 2_000
JSON = {"Content-Type": "application/json"}

LONG_LINE = "a" * 200_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LodurServer]:
    """A server with some lines that patterns find hard."""
    server = LodurServer(tmp_path_factory.mktemp("lodur"), config_text=CONFIG)
    server.start()
    now_ns = time.time_ns()
    entries: list[Entry] = [(now_ns - n, f"{n} " + "a" * 300 + "=" * 50, {}) for n in range(LINES)]
    longest: list[Entry] = [(now_ns, LONG_LINE, {})]
    for part in (entries, longest):
        push = ask(server.port, "POST", "/loki/api/v1/push", TENANT | JSON, json_push([({"app": "x"}, part)]))
        assert push.status == 204, push
    yield server
    server.kill()


@pytest.fixture(autouse=True)
def _clean_log(server: LodurServer) -> Iterator[None]:
    """No test may make the server log an error."""
    before = len(server.log())
    yield
    written = server.log()[before:]
    assert "Traceback" not in written
    assert "level=error" not in written


def answer_soon(server: LodurServer, malformed: Malformed) -> Answer:
    begun_s = time.monotonic()
    answer = ask(server.port, malformed.method, malformed.target, malformed.headers, malformed.body)
    assert time.monotonic() - begun_s < ANSWER_MAX_S
    return answer


def query_range(server: LodurServer, query: str, **params: str) -> Answer:
    return ask(server.port, "POST", RANGE, TENANT | FORM, urlencode({"query": query, **params}).encode())


def found_lines(answer: Answer) -> int:
    assert answer.status == 200, answer
    return sum(len(stream["values"]) for stream in json.loads(answer.text)["data"]["result"])


def assert_unharmed(server: LodurServer) -> None:
    assert server.process.is_running()
    assert found_lines(query_range(server, LOGS, limit="5")) == 5


@pytest.mark.parametrize("malformed", MALFORMED, ids=lambda malformed: malformed.name[:60])
def test_a_malformed_query_is_told_what_is_wrong(server: LodurServer, malformed: Malformed) -> None:
    answer = answer_soon(server, malformed)
    assert (answer.status, answer.text) == (malformed.status, answer.text)
    assert malformed.says in answer.text
    if malformed.target.startswith("/loki/api/v1/format_query"):
        assert json.loads(answer.text)["status"] == "invalid-query"
    else:
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert server.process.is_running()


def test_there_are_enough_of_them() -> None:
    assert len(MALFORMED) >= 60
    assert len({malformed.name for malformed in MALFORMED}) == len(MALFORMED)


@pytest.mark.parametrize(
    ("pattern", "hits"),
    [
        ("(a+)+$", 1),
        ("(a*)*b", 0),
        ("(a|a)+b", 0),
        ("(.*)(.*)(.*)(.*)(.*)b", 0),
        (".*.*=.*=.*=.*x", 0),
        ("^(([a-z])+.)+[A-Z]([a-z])+$", 0),
        ("(a?){500}a{500}", 1),
        ("([a-z]{1,100}){1,9}b", 0),
        ("(?i)" + "|".join(f"needle{n}" for n in range(5000)), 0),
        (r"\pL+\d\pL", 0),
    ],
)
def test_patterns_that_take_others_forever(server: LodurServer, pattern: str, hits: int) -> None:
    begun_s = time.monotonic()
    answer = query_range(server, f"{LOGS} |~ `{pattern}`", limit="5000")
    assert time.monotonic() - begun_s < ANSWER_MAX_S
    assert found_lines(answer) == hits


@pytest.mark.parametrize(
    ("query", "params"),
    [
        ("vector(1)/0", {}),
        ("9^9^9^9^9", {}),
        ("(-8)^0.5", {}),
        ("1%0", {}),
        (f"count_over_time({LOGS}[290y])", {}),
        (f"count_over_time({LOGS}[1m] offset 290y)", {}),
        (f"count_over_time({LOGS}[1m] offset -290y)", {}),
        (f"sum(count_over_time({LOGS}[1s]))", {"step": "9223372036"}),
        (f"sum(count_over_time({LOGS}[1s]))", {"step": "80y"}),
        (f"sum(rate({LOGS}[1ms]))", {"start": "1e9", "end": "1000000001"}),
        (LOGS, {"start": "-9223372036854775808", "end": "-9223372036854775807"}),
        (LOGS, {"interval": "9e9"}),
        (LOGS, {"limit": "5000", "direction": "FORWARD"}),
        (LOGS, {"start": "9999999999.999", "end": "9999999999999999999"[:18]}),
    ],
)
def test_extremes_that_are_allowed_are_answered(server: LodurServer, query: str, params: dict[str, str]) -> None:
    begun_s = time.monotonic()
    answer = query_range(server, query, **params)
    assert time.monotonic() - begun_s < ANSWER_MAX_S
    assert 200 <= answer.status < 500, answer
    if answer.status == 200:
        json.loads(answer.text)
    assert_unharmed(server)


def chain(start: str, part: str, joint: str, end: str = "", size: int = 130_000) -> str:
    """As many parts as a query can be long."""
    return start + joint.join([part] * ((size - len(start + end)) // len(part + joint))) + end


@pytest.mark.parametrize(
    "query",
    [
        pytest.param(chain(f"{LOGS} |= ", '"no"', " or "), id="alternatives of a line filter"),
        pytest.param(chain(f"{LOGS} != ", '"no"', " or "), id="negative alternatives"),
        pytest.param(chain(f"{LOGS} |~ ", '"n.*o"', " or ", size=5_000), id="alternative patterns"),
        pytest.param(chain(f"{LOGS} |= ", 'ip("10.0.0.0/8")', " or ", size=2_000), id="addresses"),
        pytest.param(chain(f"{LOGS} | ", 'a="no"', " or "), id="or of labels"),
        pytest.param(chain(f"{LOGS} | ", 'a!="no"', " and "), id="and of labels"),
        pytest.param(chain(f"{LOGS} | ", "n>5", ", "), id="commas between numbers"),
        pytest.param(chain(f"{LOGS} | ", "n>5 or m<3s", " and "), id="and and or"),
        pytest.param(f"{LOGS} | " + "(" * 45 + "a=1 and (b=2 or c=3)" + ")" * 45, id="parentheses"),
        pytest.param(chain(f"{LOGS} | drop ", "a", ","), id="labels dropped"),
        pytest.param(chain(f"{LOGS} | keep ", 'a="no"', ","), id="labels kept"),
        pytest.param(chain(f"{LOGS} | json ", 'a="b[0].c"', ","), id="paths"),
        pytest.param(chain(f"{LOGS} | logfmt ", 'a="b"', ","), id="keys"),
        pytest.param(chain(f"{LOGS} | label_format ", "a=b", ","), id="one label formatted often"),
        pytest.param(chain("sum by (", "a", ",", f") (count_over_time({LOGS}[1m]))"), id="groups"),
        pytest.param(chain('{app="x",', 'a!="no"', ",", "}"), id="matchers"),
        pytest.param(chain(f"{LOGS} |~ `", "no", "|", "`"), id="branches of a pattern"),
        pytest.param(f"{LOGS} | regexp `" + "".join(f"(?P<g{n}>a?)" for n in range(100)) + "`", id="many groups"),
        pytest.param(f"{LOGS} | pattern `" + "".join(f"<p{n}>a" for n in range(1_000)) + "`", id="many captures"),
        pytest.param(chain(f"{LOGS} |> `", "<_>a", "", "`"), id="many placeholders"),
        pytest.param(f"{LOGS} | line_format `" + "{{.app}}" * 16_000 + "`", id="a long template"),
        pytest.param(LOGS + " | json" * 250, id="parsers"),
        pytest.param(LOGS + ' | a=~"(x+x+)+y"' * 250, id="patterns of labels"),
        pytest.param(LOGS + " | decolorize" * 250, id="colours"),
        pytest.param("(" * 90 + f"count_over_time({LOGS}[1m])" + ")" * 90, id="nested as far as may be"),
        pytest.param(f"count_over_time({LOGS}[1m])" + f" + count_over_time({LOGS}[1m])" * 90, id="a sum of scans"),
        pytest.param("label_replace(" * 45 + "vector(1)" + ',"a","$1","b","(.*)")' * 45, id="replacements"),
        pytest.param(f"{LOGS} | app>" + "9" * 300, id="a large number"),
        pytest.param(f"{LOGS} # " + "x" * 130_000, id="a comment"),
    ],
)
def test_long_queries_are_answered_or_refused_soon(server: LodurServer, query: str) -> None:
    begun_s = time.monotonic()
    answer = query_range(server, query, limit="10")
    assert time.monotonic() - begun_s < ANSWER_MAX_S
    assert answer.status in (200, 400), answer.text[:500]
    assert_unharmed(server)


@pytest.mark.parametrize("host", ["[", "[::1", "a?b", "a#b", "a/b", "@", "%00", "x" * 5000, "\xff"])
def test_a_host_header_changes_nothing(server: LodurServer, host: str) -> None:
    target = f"{RANGE}?{urlencode({'query': LOGS, 'limit': '3'})}"
    head = f"GET {target} HTTP/1.1\r\nHost: {host}\r\nX-Scope-OrgID: outsider\r\nConnection: close\r\n\r\n"
    answer = exchange(server.port, head.encode("latin-1"))
    assert answer.status in (200, 400)
    assert_unharmed(server)


@pytest.mark.parametrize("name", ["%00", "%ff", "%2e%2e", "..%2f..", "a" * 5000, "%0a", "größe".encode().hex("%")])
def test_names_of_labels_that_nobody_has(server: LodurServer, name: str) -> None:
    answer = ask(server.port, "GET", f"/loki/api/v1/label/{name}/values", TENANT)
    assert answer.status in (200, 400, 404)
    assert '"data"' not in answer.text
    assert_unharmed(server)


def test_others_are_served_while_the_longest_query_is_read(server: LodurServer) -> None:
    """Reading it takes most of a second; nobody else may have to wait for that."""
    longest = urlencode({"query": '{a="b"}' + '|="x"' * 26_000}).encode()
    many = b"&".join([b"match[]=" + b"%7Ba%3D%22b%22" + b"%2Ca%3D%22b%22" * 8_000 + b"%7D"] * 6)
    readers = [
        threading.Thread(target=ask, args=(server.port, "POST", target, TENANT | FORM, body))
        for target, body in ((RANGE, longest), (SERIES, many), (LABELS, longest))
    ]
    for reader in readers:
        reader.start()
    slowest_s = 0.0
    while any(reader.is_alive() for reader in readers):
        begun_s = time.monotonic()
        assert ask(server.port, "GET", "/ready").status == 200
        slowest_s = max(slowest_s, time.monotonic() - begun_s)
    assert slowest_s < 1.0
    assert_unharmed(server)


def test_all_of_it_together_leaves_the_server_small(server: LodurServer) -> None:
    """Last of this module: everything above has been sent by now, here the largest once more."""
    for malformed in MALFORMED:
        if malformed.body is not None and len(malformed.body) > 100_000:
            assert answer_soon(server, malformed).status == malformed.status
    assert peak_bytes(server) < 100 * 2**20 + GROWTH_MAX_BYTES
    assert_unharmed(server)
