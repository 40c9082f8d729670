"""Clients of a real server for the system tests: pushes whose lines are told apart, queries that count them."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlencode

import orjson

TIMEOUT_S = 30.0
QUERY_LIMIT = 5000
LINES_PER_PUSH = 20

DAY_NS = 24 * 3600 * 10**9

PUSHES_NS = 10**9
"""Between the first and the last timestamp of a test's pushes, but for the day between its lines: room for 50,000."""

CONFIG = """\
auth_enabled: false
server:
  http_listen_address: 127.0.0.1
  log_level: info
common:
  path_prefix: data
storage_config:
  filesystem:
    directory: data/store
ingester:
  chunk_idle_period: {idle}
  flush_check_period: {check}
  wal:
    flush_on_shutdown: {flush_on_shutdown}
limits_config:
  ingestion_rate_mb: 1024
  ingestion_burst_size_mb: 1024
  per_stream_rate_limit: 1GB
  per_stream_rate_limit_burst: 1GB
  max_entries_limit_per_query: 0
compactor:
  compaction_interval: {compaction}
lodur:
  ingester:
    flush_bytes: {flush_bytes}
  compactor:
    target_bytes: {target_bytes}
    reader_grace: {grace}
"""


def config_text(
    *,
    flush_bytes: str = "256MiB",
    idle: str = "30m",
    check: str = "1s",
    flush_on_shutdown: bool = True,
    compaction: str = "10m",
    target_bytes: str = "1GiB",
    grace: str = "15m",
) -> str:
    """A configuration that flushes and compacts as often as a test wants it to."""
    return CONFIG.format(
        flush_bytes=flush_bytes,
        idle=idle,
        check=check,
        flush_on_shutdown="true" if flush_on_shutdown else "false",
        compaction=compaction,
        target_bytes=target_bytes,
        grace=grace,
    )


class ServerGone(Exception):
    """The connection broke: the request may have been carried out, or not."""


@dataclass
class Client:
    """One kept connection to a server on this machine."""

    port: int
    _connection: http.client.HTTPConnection | None = field(default=None, repr=False)

    def request(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
        """The body of the answer, with its status before it as `status`. Raises ServerGone."""
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
            self._connection.request(method, path, body or None, headers or {})
            answer = self._connection.getresponse()
            self.status = answer.status
            return answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise ServerGone(str(error)) from error

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def push(self, body: bytes) -> int:
        """The status of a JSON push."""
        self.request("POST", "/loki/api/v1/push", body, {"Content-Type": "application/json"})
        return self.status

    def get(self, path: str, params: dict[str, str]) -> bytes:
        """The body of the answer to a query."""
        return self.request("GET", f"{path}?{urlencode(params)}")

    def metric(self, query: str, time_ns: int) -> float:
        """The value of an instant query with at most one series."""
        body = self.get("/loki/api/v1/query", {"query": query, "time": str(time_ns)})
        assert self.status == 200, body
        result = orjson.loads(body)["data"]["result"]
        return float(result[0]["value"][1]) if result else 0.0

    def lines(self, query: str, start_ns: int, end_ns: int, limit: int = QUERY_LIMIT) -> list[str]:
        """The lines of a range query, read page by page until there are no more."""
        found: list[str] = []
        while True:
            params = {
                "query": query,
                "start": str(start_ns),
                "end": str(end_ns),
                "limit": str(limit),
                "direction": "forward",
            }
            body = self.get("/loki/api/v1/query_range", params)
            assert self.status == 200, body
            values = sorted(
                (int(value[0]), value[1])
                for stream in orjson.loads(body)["data"]["result"]
                for value in stream["values"]
            )
            found += [line for _, line in values]
            if len(values) < limit:
                return found
            start_ns = values[-1][0] + 1


def first_push_ns(now_ns: int) -> int:
    """When pushes shall begin so that they do not run into the next day: they are of two days then, not of three."""
    day_end_ns = (now_ns // DAY_NS + 1) * DAY_NS
    return min(now_ns, day_end_ns - PUSHES_NS)


def push_body(pusher: int, number: int, first_ns: int) -> tuple[bytes, list[str]]:
    """A push of lines that occur in no other, and these lines; the odd ones a day before the even ones."""
    lines = [f"pusher={pusher} push={number} line={line}" for line in range(LINES_PER_PUSH)]
    times = [first_ns + (number * LINES_PER_PUSH + at) * 1000 - at % 2 * DAY_NS for at in range(LINES_PER_PUSH)]
    values = [[str(ts_ns), line] for ts_ns, line in zip(times, lines, strict=True)]
    stream = {"stream": {"app": "crash", "pusher": str(pusher)}, "values": values}
    return orjson.dumps({"streams": [stream]}), lines


@dataclass
class Pusher:
    """Pushes as fast as it is answered; after a broken connection the same push comes again, as agents do it."""

    number: int
    port: int
    first_ns: int
    acknowledged: list[str] = field(default_factory=list)
    next_push: int = 0
    retries: int = 0
    problems: list[str] = field(default_factory=list)
    _uncertain: bool = False

    def run(self, stop: threading.Event) -> None:
        client = Client(self.port)
        while not stop.is_set():
            body, lines = push_body(self.number, self.next_push, self.first_ns)
            try:
                status = client.push(body)
            except ServerGone:
                self._uncertain = True
                stop.wait(0.02)
                continue
            if status == 503:
                stop.wait(0.02)
                continue
            if status != 204:
                self.problems.append(f"push {self.next_push}: status {status}")
                break
            self.retries += self._uncertain
            self._uncertain = False
            self.acknowledged += lines
            self.next_push += 1
        client.close()

    def unacknowledged(self) -> list[str]:
        """The lines of the push that may have been kept."""
        return push_body(self.number, self.next_push, self.first_ns)[1]


@dataclass(frozen=True)
class Verdict:
    """What a count of all lines found."""

    acknowledged: int
    lost: list[str]
    doubled: list[str]
    foreign: list[str]

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.foreign)


def judge(client: Client, pushers: list[Pusher], start_ns: int, end_ns: int) -> Verdict:
    """Hold every line that the server has against those that it acknowledged."""
    lost: list[str] = []
    doubled: list[str] = []
    foreign: list[str] = []
    for pusher in pushers:
        query = f'{{app="crash", pusher="{pusher.number}"}}'
        found = Counter(client.lines(query, start_ns, end_ns))
        acknowledged = set(pusher.acknowledged)
        lost += [line for line in pusher.acknowledged if line not in found]
        doubled += [line for line, count in found.items() if count > 1]
        foreign += [line for line in found if line not in acknowledged and line not in pusher.unacknowledged()]
    return Verdict(sum(len(pusher.acknowledged) for pusher in pushers), lost, doubled, foreign)
