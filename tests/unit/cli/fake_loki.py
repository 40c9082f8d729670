"""A small server of Loki's shapes, and a way to run `lodur` against it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl, urlsplit

from click.testing import CliRunner, Result

from lodur.cli.main import lodur

STATS = {
    "summary": {
        "bytesProcessedPerSecond": 2000,
        "linesProcessedPerSecond": 20,
        "totalBytesProcessed": 1000,
        "totalLinesProcessed": 10,
        "execTime": 0.5,
    },
    "querier": {"store": {"totalChunksRef": 0, "queryUsedV2Engine": False, "chunk": {"decompressedBytes": 900}}},
}


@dataclass(frozen=True)
class Received:
    """A request as it came in."""

    method: str
    path: str
    params: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes

    def param(self, name: str) -> str:
        return dict(self.params)[name]


@dataclass
class FakeLoki:
    """Answers log queries from `entries`, and anything else from `answers`, the last of which is given again."""

    url: str = ""
    entries: list[tuple[int, dict[str, str], str]] = field(default_factory=list)
    answers: dict[str, list[tuple[int, str, dict[str, str]]]] = field(default_factory=lambda: defaultdict(list))
    received: list[Received] = field(default_factory=list)
    limit_max: int = 5000

    def will_answer(self, path: str, body: object, status: int = 200, **headers: str) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        self.answers[path].append((status, text, headers))

    def answer(self, request: Received) -> tuple[int, str, dict[str, str]]:
        prepared = self.answers[request.path]
        if prepared:
            return prepared.pop(0) if len(prepared) > 1 else prepared[0]
        if request.path.endswith("/loki/api/v1/query_range"):
            limit = int(dict(request.params)["limit"])
            if limit > self.limit_max:
                asked = f"limit > max_entries_limit_per_query ({limit} > {self.limit_max})"
                return 400, f"max entries limit per query exceeded, {asked}", {}
            return 200, json.dumps(self._log_page(dict(request.params))), {}
        return 404, "404 page not found\n", {}

    def _log_page(self, params: dict[str, str]) -> object:
        start, end = int(params["start"]), int(params["end"])
        backward = params["direction"] == "BACKWARD"
        found = sorted(
            (entry for entry in self.entries if start <= entry[0] < end), key=lambda entry: entry[0], reverse=backward
        )[: int(params["limit"])]
        values: defaultdict[str, list[list[str]]] = defaultdict(list)
        for ts_ns, labels, line in found:
            values[json.dumps(labels, sort_keys=True)].append([str(ts_ns), line])
        result = [{"stream": json.loads(key), "values": values[key]} for key in sorted(values)]
        return {"status": "success", "data": {"resultType": "streams", "result": result, "stats": STATS}}


def handler_of(loki: FakeLoki) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._handle("GET")

        def do_POST(self) -> None:
            self._handle("POST")

        def do_DELETE(self) -> None:
            self._handle("DELETE")

        def _handle(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            parts = urlsplit(self.path)
            form = "form-urlencoded" in self.headers.get("Content-Type", "")
            params = parse_qsl(body.decode() if form else parts.query, keep_blank_values=True)
            request = Received(method, parts.path, params, dict(self.headers), body)
            loki.received.append(request)
            status, text, headers = loki.answer(request)
            content = text.encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            if status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if status != 204:
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the parent's name
            pass

    return Handler


@dataclass(frozen=True)
class Cli:
    """Runs `lodur` with the words given, against the fake server unless the environment is said to be bare."""

    addr: str

    def __call__(self, *words: str, env: Mapping[str, str | None] | None = None, typed: str = "") -> Result:
        cleared = {
            f"{prefix}_{name}": None
            for prefix in ("LODUR", "LOKI")
            for name in ("ADDR", "ORG_ID", "USERNAME", "PASSWORD", "BEARER_TOKEN")
        }
        settings: dict[str, str | None] = cleared | {"LODUR_ADDR": self.addr, "NO_COLOR": ""} | dict(env or {})
        return CliRunner(env=settings).invoke(lodur, list(words), prog_name="lodur", input=typed)
