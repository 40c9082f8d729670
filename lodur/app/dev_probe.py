"""Ask a server over HTTP how it is: ready, and how many lines it has."""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass
from urllib.parse import urlencode

import msgspec

from lodur.model.clock import Clock

TIMEOUT_S = 5.0
ANSWER_BYTES_MAX = 16 * 2**20
LINES_RECEIVED = "loki_distributor_lines_received_total"
"""The server's own count of lines since its start, by tenant."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the server is ready, and what it says."""

    is_ready: bool
    text: str


class _Sample(msgspec.Struct, frozen=True):
    value: tuple[float, str]


class _Vector(msgspec.Struct, frozen=True):
    result: list[_Sample]


class _Answer(msgspec.Struct, frozen=True):
    data: _Vector


class Probe:
    """Questions to one server; a question that gets no answer counts as nothing yet, never as an error."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        # A proxy of the environment has no business between two processes of one machine.
        self._http = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def readiness(self) -> Readiness:
        try:
            with self._http.open(f"{self._url}/ready", timeout=TIMEOUT_S) as response:
                return Readiness(response.status == 200, "ready")
        except urllib.error.HTTPError as error:
            return Readiness(False, error.read(ANSWER_BYTES_MAX).decode("utf-8", "replace").strip() or str(error))
        except OSError:
            return Readiness(False, "waiting for it to listen")

    def shipped_lines(self) -> int:
        """Lines that the server has taken in since it started."""
        body = self._get("/metrics")
        return 0 if body is None else received_lines(body.decode("utf-8", "replace"))

    def kept_lines(self) -> int:
        """Lines of the last day that a query finds."""
        params = {"query": 'sum(count_over_time({job=~".+"}[1d]))', "time": str(self._clock.now_ns())}
        body = self._get(f"/loki/api/v1/query?{urlencode(params)}")
        if body is None:
            return 0
        try:
            samples = msgspec.json.decode(body, type=_Answer).data.result
        except msgspec.DecodeError:
            return 0
        return sum(int(float(sample.value[1])) for sample in samples)

    def _get(self, path: str) -> bytes | None:
        try:
            with self._http.open(self._url + path, timeout=TIMEOUT_S) as response:
                body: bytes = response.read(ANSWER_BYTES_MAX)
                return body
        except OSError:
            return None


def received_lines(metrics: str) -> int:
    """The sum over tenants in a text of metrics."""
    total = 0.0
    for line in metrics.splitlines():
        if line.startswith((f"{LINES_RECEIVED}{{", f"{LINES_RECEIVED} ")):
            total += float(line.rsplit(" ", 1)[1])
    return int(total)
