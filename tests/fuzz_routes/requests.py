"""Requests to routes: mostly nearly right, so that they get past the first check, and wrong in one place or a few.

Start at `RequestGenerator.draw`.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random
from urllib.parse import quote, quote_from_bytes

from tests.fuzz_queries.mutation import Mutator, recorded_queries
from tests.fuzz_routes.routes import KnownRoute
from tests.push_bodies import bytes_field, entry_message, json_push, push_message, snappy, stream_message

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "get")

WEIGHTS = {"/flush": 1, "/debug/pprof/profile": 1, "/metrics": 2, "/config": 2}
"""Routes that take long or say always the same are asked less often; others have ten."""
_WEIGHT = 10

KEPT = {"/ingester/shutdown": "terminate=false", "/debug/pprof/profile": "seconds=0.01"}
"""What a request must say, so that the server goes on, and soon."""

_ODD = (
    "",
    "0",
    "-1",
    "1e400",
    "NaN",
    "9" * 30,
    "9223372036854775808",
    "0x10",
    "1.5.5",
    "\0",
    "\udcff",
    "é\u202e🎉",
    "../../etc/passwd",
    "{}",
    "[]",
    "null",
    "%s%n",
    "'\"<script>",
    "a" * 9_000,
    "a|b",
    "true",
)
_TIMES = ("now", "1", "0", "-5", "1795241177", "1795241177000000000", "1795241177.25", "2026-11-21T06:00:00Z", "2026")
_DURATIONS = ("1", "5m", "0", "1h30m", "-1s", "1y", "0.001", "1ns", "10000000y")
_NUMBERS = ("1", "10", "5000", "5001", "0", "-3", "2147483648", "18446744073709551616", "1.0")
_NAMES = ("app", "level", "trace_id", "__name__", "a-b", "é", "", "x" * 3_000)
_SELECTORS = ('{app="a"}', '{app=~".+"}', "{}", '{app="a"', '{a!="b"}', '{app="a"} |= "x"', "rate", '{app=~"("}')
_LEVELS = ("debug", "info", "warn", "error", "loud")
_SWITCHES = ("true", "false", "1", "maybe")

_IN_PATHS = ("/", "%2F", "%2f..", "/../", "/./", "%", "%zz", "%00", "%ff", "%25", ";x=1", "\xe9", "#", "?", "x" * 9_000)
"""What is put into a path that is right."""

_RULE_GROUPS = (
    'name: g\nrules: [{alert: A, expr: "count_over_time({app=\\"a\\"}[1m]) > 0", for: 1m, labels: {x: "{{.y"}}]\n',
    "name: g\ninterval: 1s\nlimit: 1\nrules: [{record: r:x, expr: 'sum(rate({app=\"a\"}[1m]))'}]\n",
    "name: ''\nrules: [{record: r-x, alert: A, expr: '{', for: soon}]\n",
    "name: &a [*a]\nrules: *a\n",
    "{name: g, rules: " + "[" * 500 + "]" * 500 + "}",
)

_TENANTS = ("a", "b", "a|b", "|", "a:sub", "..", "x" * 151, "é", "a b", "")


class Framing(Enum):
    """How the body follows the head."""

    WHOLE = "as announced"
    CUT_OFF = "less than announced, then the end"
    TOO_MUCH = "more than announced"
    CHUNKED = "in chunks"
    BROKEN_CHUNKS = "in chunks that are none"
    HANDSHAKE = "no body: a WebSocket is asked for"


@dataclass(frozen=True, slots=True)
class FuzzedRequest:
    """One request, in parts that can be left out to find which of them matters."""

    route: str
    method: str
    path: str
    params: tuple[str, ...]
    headers: tuple[tuple[str, str], ...]
    body: bytes | None
    framing: Framing = Framing.WHOLE

    def target(self) -> str:
        return self.path + ("?" + "&".join(self.params) if self.params else "")


class RequestGenerator:
    """Draws requests to these routes."""

    def __init__(self, routes: Sequence[KnownRoute], random: Random, made_ids: Sequence[str]) -> None:
        self._random = random
        self._made_ids = made_ids
        self._sockets = [each for each in routes if each.is_websocket]
        self._routes = [each for each in routes if not each.is_websocket]
        self._weights = [WEIGHTS.get(each.path, _WEIGHT) for each in self._routes]
        self._queries = Mutator(random, recorded_queries())
        self._values: dict[str, Callable[[], str]] = {
            "query": self._query,
            "match[]": lambda: random.choice(_SELECTORS),
            "match": lambda: random.choice(_SELECTORS),
            **dict.fromkeys(("start", "end", "time"), lambda: random.choice(_TIMES)),
            **dict.fromkeys(
                ("since", "step", "interval", "max_interval", "seconds"), lambda: random.choice(_DURATIONS)
            ),
            **dict.fromkeys(("limit", "line_limit", "field_limit", "delay_for"), lambda: random.choice(_NUMBERS)),
            "direction": lambda: random.choice(("forward", "BACKWARD", "sideways")),
            "targetLabels": lambda: ",".join(random.choices(_NAMES, k=random.randint(0, 3))),
            "aggregateBy": lambda: random.choice(("series", "labels", "none")),
            "regexp": lambda: random.choice(("a.*", "(", "(a+)+$")),
            "mode": lambda: random.choice(("diff", "defaults", "x")),
            "log_level": lambda: random.choice(_LEVELS),
            **dict.fromkeys(("flush", "delete_ring_tokens", "force"), lambda: random.choice(_SWITCHES)),
            "request_id": lambda: random.choice([*_ODD, *made_ids[-20:]]),
            **dict.fromkeys(("file", "rule_group", "rule_name", "type", "shards"), self._odd),
        }

    def draw(self) -> FuzzedRequest:
        """The next request."""
        random = self._random
        if random.random() < 0.04:
            return self._handshake()
        route = random.choices(self._routes, self._weights)[0]
        method = random.choice(METHODS) if random.random() < 0.05 else random.choice(route.methods)
        params = self._params()
        content_type, encoding, body = self._body(route, method)
        if content_type == "application/x-www-form-urlencoded" and random.random() < 0.7:
            body, params = "&".join(params).encode(), ()
        kept = KEPT.get(route.path)
        if kept is not None:
            name = kept.partition("=")[0]
            params = (kept, *(each for each in params if name not in each))
        headers = self._headers()
        headers += (("Content-Type", content_type),) if content_type else ()
        headers += (("Content-Encoding", encoding),) if encoding else ()
        return FuzzedRequest(route.path, method, self._path(route), params, headers, body, self._framing(body))

    def _framing(self, body: bytes | None) -> Framing:
        if body is None or self._random.random() < 0.9:
            return Framing.WHOLE
        return self._random.choice((Framing.CUT_OFF, Framing.TOO_MUCH, Framing.CHUNKED, Framing.BROKEN_CHUNKS))

    def _handshake(self) -> FuzzedRequest:
        """Mostly of the routes that open WebSockets, and mostly right."""
        random = self._random
        route = random.choice(self._sockets if random.random() < 0.8 else self._routes)
        version = "13" if random.random() < 0.9 else random.choice(("8", "", "x"))
        key = "dGhlIHNhbXBsZSBub25jZQ==" if random.random() < 0.9 else random.choice(("", "x", "A" * 300))
        headers = (
            *self._headers(),
            ("Connection", "Upgrade" if random.random() < 0.9 else "close"),
            ("Upgrade", "websocket" if random.random() < 0.9 else random.choice(("h2c", "WebSocket, x"))),
            ("Sec-WebSocket-Version", version),
            ("Sec-WebSocket-Key", key),
            *((("Sec-WebSocket-Protocol", "x, y"),) if random.random() < 0.1 else ()),
        )
        method = "GET" if random.random() < 0.95 else random.choice(METHODS)
        return FuzzedRequest(route.path, method, self._path(route), self._params(), headers, None, Framing.HANDSHAKE)

    def _path(self, route: KnownRoute) -> str:
        path = self._path_of_names(route)
        if self._random.random() > 0.06:
            return path
        at = self._random.randrange(len(path))
        return path[:at] + self._random.choice(_IN_PATHS) + path[at:]

    def _path_of_names(self, route: KnownRoute) -> str:
        if route.path.endswith(":path}") and self._random.random() < 0.5:
            namespace, group = self._random.choices(("ns", "g", "n%2Fs", "%C3%A9", "%00"), k=2)
            return re.sub(r"\{[^}]*\}", f"{namespace}/{group}", route.path)
        path = re.sub(r"\{[^}]*\}", lambda _: self._quoted(self._random.choice((*_NAMES[:-1], *_ODD[:14]))), route.path)
        return path or "/"

    def _params(self) -> tuple[str, ...]:
        random = self._random
        # The common ones first: without a query most routes say no more than that it is missing.
        names = [name for name in ("query", "start", "end") if random.random() < 0.7]
        names += random.choices(list(self._values), k=random.choice((0, 1, 1, 2, 3)))
        pairs = [f"{quote(name)}={self._quoted(self._value(name))}" for name in names]
        if random.random() < 0.03:
            pairs += ["x=" + "y" * 500] * random.choice((2, 2_000))
        if random.random() < 0.01:
            pairs.append("x=" + "y" * 70_000)
        if random.random() < 0.03:
            pairs.append(random.choice(("&&&", "=", "%", "%zz=%1", "a;b", "+")))
        return tuple(pairs)

    def _value(self, name: str) -> str:
        return self._odd() if self._random.random() < 0.1 else self._values[name]()

    def _odd(self) -> str:
        return self._random.choice(_ODD)

    def _query(self) -> str:
        return self._random.choice(_SELECTORS) if self._random.random() < 0.4 else self._queries.draw()[:4_000]

    @staticmethod
    def _quoted(text: str) -> str:
        return quote_from_bytes(text.encode("utf-8", "surrogatepass"), safe="")

    def _headers(self) -> tuple[tuple[str, str], ...]:
        random = self._random
        tenant = "a" if random.random() < 0.85 else random.choice(_TENANTS)
        headers = [("X-Scope-OrgID", tenant)] if random.random() < 0.97 else []
        extra = (
            ("X-Query-Tags", random.choice(("Source=grafana-lokiexplore-app", "Source=x,y=\t<>", "=" * 5_000))),
            ("X-Loki-Response-Encoding-Flags", random.choice(("categorize-labels", "x,,categorize-labels", ","))),
            ("Cache-Control", "no-cache"),
            ("X-Loki-Query-Limits", random.choice(('{"maxQueryLength":"1h"}', "{", "[]", '{"maxQueryLength":1}'))),
            ("X-Loki-Query-Limits-Context", random.choice(('{"expr":"x","from":"1","to":"y"}', "x"))),
            ("Accept", random.choice(("application/vnd.apache.parquet", "application/json", "text/html", "*/*;q=x"))),
            ("Accept-Encoding", random.choice(("gzip", "br", "gzip;q=0"))),
            ("If-None-Match", "*"),
            ("Range", "bytes=0-1"),
            ("Expect", "100-continue"),
            ("Origin", "http://evil.example"),
            ("Authorization", random.choice(("Basic !", "Bearer x", "Basic " + "A" * 3_000))),
            ("Host", random.choice(("", "[", "a:b:c", "x" * 300))),
        )
        return (*headers, *(each for each in extra if random.random() < 0.06))

    def _body(self, route: KnownRoute, method: str) -> tuple[str, str, bytes | None]:
        """Content type, encoding and body."""
        random = self._random
        if method not in ("POST", "PUT", "PATCH") and random.random() < 0.97:
            return "", "", None
        if route.path.endswith(("/push", "/v1/logs")):
            return self._push(route.path.endswith("/v1/logs"))
        if "/rules" in route.path:
            body = random.choice(_RULE_GROUPS).encode()
            return "application/yaml", "", self._damaged(body) if random.random() < 0.5 else body
        if random.random() < 0.85:
            return "application/x-www-form-urlencoded", "", b""
        content_type = random.choice(("application/json", "application/yaml", "text/plain; charset=\xff", "a/b", "/"))
        return content_type, "", random.choice((b"", b"{}", b"name: x\nrules: []\n", b"\xff\0" * 50, b"[" * 4_000))

    def _push(self, is_otlp: bool) -> tuple[str, str, bytes]:
        random = self._random
        is_json = random.random() < 0.5
        body = self._json_push(is_otlp) if is_json else self._protobuf(is_otlp)
        for _ in range(random.choice((0, 0, 1, 1, 3))):
            body = self._damaged(body)
        if not is_json and not is_otlp and random.random() < 0.95:
            body = snappy(body)
        encodings: dict[str, Callable[[bytes], bytes]] = {
            "gzip": gzip.compress,
            "deflate": zlib.compress,
            "br": bytes,
            "snappy": bytes,
            "zstd": bytes,
            "lz4": bytes,
        }
        encoding = random.choice(list(encodings)) if random.random() < 0.3 else ""
        if encoding:
            body = encodings[encoding](body)
            body = self._damaged(body) if random.random() < 0.3 else body
        content_type = "application/json" if is_json else "application/x-protobuf"
        if random.random() < 0.05:
            content_type = random.choice(("application/json; charset=latin-9", "text/", ";", "application/x-protobuf"))
        return content_type, encoding, body

    def _json_push(self, is_otlp: bool) -> bytes:
        random = self._random
        time_ns = random.choice((1795241177 * 10**9, 0, -1, 2**63, 2**64)) + random.randrange(10**9)
        text = random.choice(("x", "level=error y=1", '{"a":{"b":[1]}}', *_ODD))
        if not is_otlp:
            value: object = [str(time_ns), text, {"trace_id": text}]
            stream = {"stream": {"app": "a", text[:20]: text}, "values": [value]}
            return json.dumps(
                {"streams": [random.choice((stream, {**stream, "values": text}, {**stream, "stream": 1}))]}
            ).encode()
        attribute: dict[str, object] = {
            "key": text,
            "value": random.choice(({"stringValue": text}, {"kvlistValue": {"values": []}}, {}, text)),
        }
        record = {
            "timeUnixNano": random.choice((str(time_ns), time_ns)),
            "body": {"stringValue": text},
            "attributes": [attribute],
        }
        scope = {
            "scope": {"name": text},
            "logRecords": [record, {"severityNumber": random.choice((9, "9", 99, -1, text))}],
        }
        return json.dumps({"resourceLogs": [{"resource": {"attributes": [attribute]}, "scopeLogs": [scope]}]}).encode()

    def _protobuf(self, is_otlp: bool) -> bytes:
        random = self._random
        text = random.choice(("x", "level=error y=1", *_ODD)).encode("utf-8", "surrogatepass")
        if is_otlp:
            value = bytes_field(1, text)
            record = bytes_field(5, value) + bytes_field(6, bytes_field(1, text) + bytes_field(2, value))
            return bytes_field(1, bytes_field(2, bytes_field(2, record)))
        seconds = random.choice((1795241177, 0, -1, 2**62))
        entry = entry_message(seconds, random.choice((0, 999_999_999, -1, 2**31)), text, [(text, text)])
        labels = random.choice((b'{app="a"}', b"{}", b'{a="', b'{app="a", app="b"}', b'{app="' + text + b'"}', text))
        return push_message(stream_message(labels, entry, entry))

    def _damaged(self, body: bytes) -> bytes:
        random = self._random
        if not body:
            return b"\0"
        at = random.randrange(len(body))
        match random.randrange(4):
            case 0:
                return body[:at]
            case 1:
                return body[:at] + bytes([random.randrange(256)]) + body[at + 1 :]
            case 2:
                return body[:at] + body[at:] * 2
            case _:
                return body[:at] + random.randbytes(random.choice((1, 8, 300))) + body[at:]


def example_push() -> bytes:
    """Entries for queries to find."""
    base_ns = 1795241177 * 10**9
    lines = ["level=info msg=hello n=5", '{"level":"error","n":7}', "plain", "10.0.0.1 GET /x 200", ""]
    streams = [
        ({"app": name}, [(base_ns + at, line, {"trace_id": "t"}) for at, line in enumerate(lines)]) for name in "ab"
    ]
    return json_push(streams)
