"""Lines and templates made to hurt: deep, huge, endless. Every query over them ends soon, in bounded memory."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from tests.push_bodies import Entry, json_push
from tests.servers.lodur import LodurServer
from tests.servers.memory import peak_bytes
from tests.servers.raw_http import Answer, ask
from tests.system.malformed_queries import FORM, JSON, LOGS, RANGE, TENANT

CONFIG = """
auth_enabled: true
limits_config:
  max_line_size: 16MB
  ingestion_rate_mb: 1000
  ingestion_burst_size_mb: 1000
  per_stream_rate_limit: 1GB
  per_stream_rate_limit_burst: 1GB
"""

ANSWER_MAX_S = 25.0
"""A guard against hangs: what is quadratic in a line of 10 MB takes days."""

GROWTH_MAX_BYTES = 1024 * 2**20
"""Peak over the start: 50 MB of lines are held, and several copies of the longest on their way to the client."""

MB = 10**6
DEEP = 100_000
KEYS = 20_000
"""Fields of one line: more than a line of the default size holds. Their names are compared one by one."""

LINES: dict[str, str] = {
    "deep arrays": "[" * DEEP + "]" * DEEP,
    "deep arrays in an object": '{"a":' + "[" * DEEP + "]" * DEEP + ',"level":"info"}',
    "deep objects": '{"a":' * DEEP + "1" + "}" * DEEP,
    "open arrays": '{"a":' + "[" * DEEP,
    "open objects": '{"a":' * DEEP,
    "deep and wide": '{"a":{"b":1,"c":' * 20_000 + "1" + "}}" * 20_000,
    "many keys": "{" + ",".join(f'"key{n}":{n}' for n in range(KEYS)) + ',"level":"info"}',
    "one key often": "{" + ",".join(['"a":1'] * DEEP) + "}",
    "a huge number": '{"n":' + "9" * DEEP + ',"level":"info"}',
    "a huge exponent": '{"n":1e' + "9" * 1000 + "}",
    "a long fraction": '{"n":0.' + "1" * DEEP + "}",
    "a long key": '{"' + "k" * MB + '":1,"level":"info"}',
    "a long value": '{"msg":"' + "x" * 10 * MB + '","level":"info"}',
    "escapes": '{"msg":"' + "\\u00e9\\n" * (MB // 8) + '"}',
    "quotes": '"' * MB,
    "backslashes": '{"msg":"' + "\\\\" * (MB // 2) + '"}',
    "a text left open": '{"a":"' + "x" * MB,
    "many pairs": " ".join(f"key{n}={n}" for n in range(KEYS)) + " level=info",
    "many broken pairs": "a=b=c " * DEEP,
    "equal signs": "=" * MB,
    "open quotes": 'a="' * (MB // 3),
    "letters": "a" * 10 * MB,
    "letters and an end": "a" * MB + "!",
    "blanks": " " * MB,
    "colours": "\x1b[" * (MB // 2),
    "dots": "1." * (MB // 2),
    "colons": ":" * MB,
    "angles": "<_>" * (MB // 3),
    "many lines": "x\n" * (MB // 2),
    "packed deep": json.dumps({"_entry": json.dumps({"_entry": "[" * DEEP}), "a": "b" * MB}),
}
"""Lines by what they are, most of 1 MB; two of 10 MB."""

STAGES = (
    "| json",
    '| json level="a.b.c[0]", n="n"',
    '| json deep="' + ".".join(["a"] * 60) + '"',
    "| logfmt",
    "| logfmt --strict --keep-empty",
    '| logfmt level="level"',
    "| unpack",
    '| regexp "(?P<x>(a+)+)$"',
    '| regexp "(?P<x>(x*)*)y"',
    '| regexp "(?P<x>.*)(?P<y>.*)(?P<z>.*)="',
    '| regexp "(?P<x>(((a{1,9}){1,9}){1,9})b)"',
    '| regexp "(?P<x>([a-z0-9:]+[.=]?)*)!"',
    '| pattern "<a>a<b>a<c>a<d>a<e>"',
    '| pattern "<a>=<b>=<c>=<d>!<e>"',
    '|~ "(a|aa)+$"',
    '|~ "(.*a){20}b"',
    '!~ "^(([a-z])+.)+[A-Z]([a-z])+$"',
    '|> "<_>a<_>a<_>a<_>b"',
    '!> "<_><<_>_<_>"',
    '|= ip("10.0.0.0/8")',
    '!= ip("::1")',
    "| decolorize",
    "| json | logfmt | json | logfmt --keep-empty",
    '| json | n > 5 or n < 1e300 or level="x"',
    "| keep nothing",
)

TEMPLATES = (
    "{{ repeat 1000000000 .app }}",
    "{{ repeat 9223372036854775807 .app }}",
    "{{ repeat 1000 (repeat 1000 (repeat 1000 .app)) }}",
    "{{ __line__ | repeat 1000 }}",
    "{{ indent 1000000000 __line__ }}",
    "{{ nindent 100 __line__ }}",
    "{{ alignLeft 2000000000 .app }}",
    "{{ alignRight 2000000000 .app }}",
    '{{ printf "%1000000000d" 1 }}',
    '{{ printf "%.1000000000f" 1.5 }}',
    '{{ printf "%*d" 2000000000 1 }}',
    '{{ replace "" __line__ (trunc 1000 __line__) }}',
    '{{ Replace __line__ "" "x" -1 }}',
    '{{ regexReplaceAll "(a+)+$" __line__ "$1$1" }}',
    '{{ regexReplaceAll "" __line__ "xxxxxxxxxx" }}',
    '{{ count "(a*)*" __line__ }}',
    "{{ fromJson __line__ }}",
    "{{ range $k, $v := fromJson __line__ }}{{ $k }}{{ end }}",
    "{{ range fromJson __line__ }}{{ range fromJson __line__ }}x{{ end }}{{ end }}",
    '{{ define "x" }}{{ template "x" . }}{{ end }}{{ template "x" . }}',
    '{{ define "x" }}{{ template "y" . }}{{ template "y" . }}{{ end }}'
    + "".join(f'{{{{ define "{a}" }}}}{{{{ template "{b}" . }}}}{{{{ template "{b}" . }}}}{{{{ end }}}}'
              for a, b in zip("yabcdefghijklmnopqrstuvw", "abcdefghijklmnopqrstuvwz", strict=True))
    + '{{ define "z" }}{{ __line__ }}{{ end }}{{ template "x" . }}',
    "{{ if .a }}" * 20_000 + "{{ end }}" * 20_000,
    "{{ (" + "(" * 50_000 + ".app" + ")" * 50_000 + ") }}",
    "{{ .app" + " | lower" * 10_000 + " }}",
    "{{ .app" + ".x" * 50_000 + " }}",
    "{{ urldecode __line__ }}{{ urlencode __line__ }}{{ b64enc __line__ }}{{ b64dec __line__ }}",
    "{{ html __line__ }}{{ js __line__ }}{{ urlquery __line__ }}",
    "{{ int __line__ }}{{ float64 __line__ }}{{ bytes __line__ }}{{ duration __line__ }}",
    "{{ mul 9223372036854775807 9223372036854775807 }}{{ div 1 0 }}{{ mod 1 0 }}",
    "{{ round 1.5 2000000000 }}{{ round 1.5 -2000000000 }}",
    '{{ toDate "2006" __line__ }}{{ date "' + "2006" * 1000 + '" now }}{{ unixToTime "99999999999999999999" }}',
    "{{ slice __line__ 5 1 }}{{ index __line__ 99999999999 }}{{ substr -5 9223372036854775807 __line__ }}",
    '{{ trunc -9223372036854775808 __line__ }}{{ title __line__ }}{{ trimAll "" __line__ }}',
)  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LodurServer]:
    """A server that holds the lines, one half flushed into segments."""
    server = LodurServer(tmp_path_factory.mktemp("lodur"), config_text=CONFIG)
    server.start()
    now_ns = time.time_ns()
    for number, (name, line) in enumerate(LINES.items()):
        entry: Entry = (now_ns - number * 10**6, line, {})
        body = json_push([({"app": "x", "line": name}, [entry])])
        push = ask(server.port, "POST", "/loki/api/v1/push", TENANT | JSON, body)
        assert push.status == 204, (name, push)
        if number == len(LINES) // 2:
            assert ask(server.port, "POST", "/flush", TENANT).status < 300
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


def query_soon(server: LodurServer, query: str, **params: str) -> Answer:
    begun_s = time.monotonic()
    body = urlencode({"query": query, "limit": "1000", **params}).encode()
    answer = ask(server.port, "POST", RANGE, TENANT | FORM, body)
    assert time.monotonic() - begun_s < ANSWER_MAX_S, query[:200]
    assert answer.status < 500, (query[:200], answer.text[:500])
    return answer


def assert_unharmed(server: LodurServer) -> None:
    assert server.process.is_running()
    assert query_soon(server, '{app="x", line="letters"} | label_format x="y"').status == 200


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_gets_over_every_line(server: LodurServer, stage: str) -> None:
    """Counted, so that all lines are read and little is answered."""
    assert query_soon(server, f"sum by (level) (count_over_time({LOGS} {stage} | drop __error__ [1h]))").status == 200
    assert (
        query_soon(server, f'{LOGS} {stage} | line_format "{{{{.n | trunc 20}}}}" | keep level, __error__').status
        == 200
    )
    assert_unharmed(server)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template[:50])
def test_a_template_ends(server: LodurServer, template: str) -> None:
    """It is refused, or fails where it would make too much, or gives a line that a client can be sent."""
    for name in ("many keys", "letters and an end"):
        chosen = f'{{app="x", line="{name}"}}'
        query_soon(server, f'{chosen} | line_format `{template}` | keep __error__ |= "needle"')
        query_soon(
            server, f"sum by (y) (count_over_time({chosen} | label_format y=`{template}` | keep __error__ [1h]))"
        )
    assert_unharmed(server)


@pytest.mark.parametrize("name", LINES)
def test_every_line_comes_back(server: LodurServer, name: str) -> None:
    answer = query_soon(server, f'{{app="x", line="{name}"}}')
    (stream,) = json.loads(answer.text)["data"]["result"]
    assert stream["values"][0][1] == LINES[name]


def test_memory_stayed_bounded(server: LodurServer) -> None:
    """Last of this module: everything above was asked by now."""
    assert_unharmed(server)
    assert peak_bytes(server) < 100 * 2**20 + GROWTH_MAX_BYTES
