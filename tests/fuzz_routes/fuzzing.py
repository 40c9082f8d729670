"""Put fuzzed requests to a real server and judge the answers. Start at `Fuzzer.run`.

A request fails the run by an answer of 500 and above, by none at all, by one that says JSON and is none, and by taking
longer than `ANSWER_MAX_S`; the server fails it by an error in its log or by not being ready in the end.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from http.client import HTTPException
from random import Random
from typing import TypeVar

import orjson

from tests.fuzz_routes.requests import Framing, FuzzedRequest, RequestGenerator, example_push
from tests.fuzz_routes.routes import KnownRoute
from tests.fuzz_routes.sending import may_be_closed, sent
from tests.servers.lodur import LodurServer
from tests.servers.raw_http import Answer, ask

Item = TypeVar("Item")

ANSWER_MAX_S = 20.0
"""Far beyond what any of these small requests may take, on a machine that does other things besides."""

ID_HEADER = "x-delete-request-id"

_SERVER_ERROR = 500
_NO_BODY = frozenset({204, 304})


@dataclass(slots=True)
class Tally:
    """How the requests were answered."""

    statuses: Counter[int] = field(default_factory=Counter)
    successes: Counter[str] = field(default_factory=Counter)
    """By route."""
    slowest_s: float = 0.0


@dataclass
class Failed(Exception):
    """A request that was not dealt with."""

    request: FuzzedRequest
    text: str

    def __str__(self) -> str:
        return f"{self.text}\n{self.request!r}"


@dataclass(slots=True)
class Fuzzer:
    """Asks one server, in the order that a seed gives."""

    server: LodurServer
    routes: Sequence[KnownRoute]
    seed: int
    tally: Tally = field(default_factory=Tally)
    _made_ids: list[str] = field(default_factory=list)
    """Of delete requests, which later requests name again."""

    def run(self, seconds: float) -> Tally:
        """Ask for so long. Raises Failed for the first request that is not dealt with, made as small as it will go."""
        pushed = ask(self.server.port, "POST", "/loki/api/v1/push", _PUSH_HEADERS, example_push())
        assert pushed.status == 204, pushed
        generator = RequestGenerator(self.routes, Random(self.seed), self._made_ids)
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            request = generator.draw()
            fault = self._fault(request)
            if fault is not None:
                raise Failed(self._smallest(request), fault)
        if not self.server.is_ready():
            raise Failed(request, "the server is not ready in the end")
        return self.tally

    def _fault(self, request: FuzzedRequest) -> str | None:
        """What is wrong with the answer."""
        begun_s = time.monotonic()
        try:
            answer = sent(self.server.port, request)
        except TimeoutError:
            return "no answer in time"
        except (OSError, HTTPException) as error:
            return f"no answer: {error!r}"
        took_s = time.monotonic() - begun_s
        self.tally.statuses[answer.status] += 1
        self.tally.slowest_s = max(self.tally.slowest_s, took_s)
        if answer.status < 400:
            self.tally.successes[request.route] += 1
        self._made_ids += [answer.headers[ID_HEADER]] if ID_HEADER in answer.headers else []
        return judge(request, answer, took_s)

    def _smallest(self, request: FuzzedRequest) -> FuzzedRequest:
        """The request with everything left out that the failure does not need."""
        is_smaller = True
        while is_smaller:
            is_smaller = False
            for candidate in _smaller(request):
                if self._fault(candidate) is not None:
                    request, is_smaller = candidate, True
                    break
        return request


def judge(request: FuzzedRequest, answer: Answer, took_s: float) -> str | None:
    """What is wrong with an answer; None where it is as it may be."""
    if answer.status == 0 and not may_be_closed(request.framing):
        return "the connection was closed without an answer"
    if answer.status >= _SERVER_ERROR:
        return f"answered {answer.status}: {answer.text[:500]}"
    if took_s > ANSWER_MAX_S:
        return f"took {took_s:.1f} s"
    if request.framing is Framing.HANDSHAKE:
        return None
    is_json = answer.headers.get("content-type", "").startswith("application/json")
    if is_json and request.method != "HEAD" and answer.status not in _NO_BODY:
        try:
            orjson.loads(answer.text)
        except orjson.JSONDecodeError as error:
            return f"is no JSON: {error}: {answer.text[:500]}"
    return None


def _smaller(request: FuzzedRequest) -> list[FuzzedRequest]:
    smaller = [replace(request, params=_without(request.params, at)) for at in range(len(request.params))]
    if request.framing not in (Framing.WHOLE, Framing.HANDSHAKE):
        smaller.append(replace(request, framing=Framing.WHOLE))
    smaller += [replace(request, headers=_without(request.headers, at)) for at in range(len(request.headers))]
    if request.body:
        smaller.append(replace(request, body=b""))
        smaller += [replace(request, body=half) for half in _halves(request.body)]
    return smaller


def _without(items: tuple[Item, ...], at: int) -> tuple[Item, ...]:
    return items[:at] + items[at + 1 :]


def _halves(body: bytes) -> list[bytes]:
    middle = len(body) // 2
    return [body[:middle], body[middle:]] if middle else []


_PUSH_HEADERS = {"Content-Type": "application/json", "X-Scope-OrgID": "a"}
