"""Two periods in two buckets, and the older one hangs: what lies in the newer one is seen as soon as ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

import orjson
import pytest

from lodur.api.timely import ANSWER_WITHIN_S
from tests.conftest import StartLodur
from tests.servers.lodur import LodurServer
from tests.servers.process import wait_until
from tests.servers.s3 import S3Server
from tests.servers.store_proxy import StoreProxy
from tests.system.conftest import Connect
from tests.system.pushing import DAY_NS, Client, ServerGone

CONFIG = """\
auth_enabled: false
common:
  path_prefix: data
storage_config:
  aws: {{{access}, endpoint: "{endpoint}", bucketnames: {newer}}}
  named_stores:
    aws:
      attic: {{{access}, endpoint: "{proxy}", bucketnames: {older}}}
schema_config:
  configs:
    - {{from: "2020-01-01", store: tsdb, object_store: attic, schema: v13}}
    - {{from: "{today}", store: tsdb, object_store: aws, schema: v13}}
compactor:
  compaction_interval: 1h
  retention_enabled: true
  delete_request_store: aws
lodur:
  wal: object
  object_wal:
    lease: 3s
"""

ACCESS = (
    "region: {region}, access_key_id: {access_key}, secret_access_key: {secret_key}, s3forcepathstyle: true, "
    "insecure: true"
)

SEEN_WITHIN_S = 2.0

ADOPTED_WITHIN_S = 40.0
"""A lease of 3 s and some looks, on a machine that is busy."""

LINES = 20


@dataclass
class Attic:
    """The way to the older bucket, which can be made to hang."""

    endpoint: str
    answers: threading.Event = field(default_factory=threading.Event)

    def wait(self, _action: str, _target: str) -> None:
        self.answers.wait(120)


@pytest.fixture
def attic(s3_server: S3Server) -> Iterator[Attic]:
    with StoreProxy(s3_server.endpoint) as proxy:
        attic = Attic(proxy.endpoint)
        attic.answers.set()
        proxy.before = attic.wait
        yield attic
        attic.answers.set()


def config_text(server: S3Server, attic: Attic, now_ns: int) -> str:
    access = ACCESS.format(region=server.region, access_key=server.access_key, secret_key=server.secret_key)
    return CONFIG.format(
        access=access,
        endpoint=server.endpoint,
        proxy=attic.endpoint,
        newer=server.new_bucket(),
        older=server.new_bucket(),
        today=time.strftime("%Y-%m-%d", time.gmtime(now_ns // 10**9)),
    )


def push(client: Client, ts_ns: int, line: str) -> None:
    body = {"streams": [{"stream": {"app": "p"}, "values": [[str(ts_ns), line]]}]}
    assert client.push(orjson.dumps(body)) == 204


def midnight_ns(now_ns: int) -> int:
    return now_ns // DAY_NS * DAY_NS


def test_lines_of_today_are_seen_while_the_older_store_hangs(
    lodur_server: StartLodur, connect: Connect, s3_server: S3Server, attic: Attic, now_ns: int
) -> None:
    text = config_text(s3_server, attic, now_ns)
    writer = lodur_server("-target=write", config_text=text)
    reader = lodur_server("-target=read", config_text=text)
    backend = lodur_server("-target=backend", config_text=text)
    to, of = connect(writer), connect(reader)
    today_ns = midnight_ns(now_ns)
    span = (today_ns, today_ns + DAY_NS)
    push(to, today_ns - 10**9, "yesterday")
    to.request("POST", "/flush")
    assert to.status == 204
    # The log with yesterday's line is adopted before; what is in the next one belongs to today alone.
    assert writer.terminate() == 0
    wait_until(lambda: adoptions(backend) == 1, deadline_s=ADOPTED_WITHIN_S, what="the adoption")
    writer.start()
    to = connect(writer)
    attic.answers.clear()
    # Delete requests lie in the store of the oldest period.
    refused: list[Refused] = []
    deleting = threading.Thread(target=lambda: refused.append(deletion(connect(reader), now_ns)))
    deleting.start()

    lines: list[str] = []
    for number in range(LINES):
        line = f"line {number}"
        push(to, now_ns + number, line)
        lines.append(line)
        begun_s = time.monotonic()
        wait_until(lambda: of.lines('{app="p"}', *span) == lines, deadline_s=10.0, what=line)
        assert time.monotonic() - begun_s < SEEN_WITHIN_S
        time.sleep(0.2)

    # What lies where nobody can look is not left out in silence.
    found: list[list[str]] = []
    asking = threading.Thread(target=lambda: found.append(lines_of_both(connect(reader), today_ns)))
    asking.start()
    writer.kill()
    wait_until(lambda: adoptions(backend) == 2, deadline_s=ADOPTED_WITHIN_S, what="the second adoption")
    assert of.lines('{app="p"}', *span) == lines
    assert not found
    deleting.join(60)
    assert refused[0].status == 503
    assert refused[0].took_s < ANSWER_WITHIN_S + 3
    attic.answers.set()
    asking.join(60)
    assert found in ([["yesterday", *lines]], [[]])
    wait_until(
        lambda: lines_of_both(of, today_ns) == ["yesterday", *lines], deadline_s=60.0, what="the lines of both stores"
    )
    # What was not sent in time is not done afterwards.
    assert orjson.loads(of.get("/loki/api/v1/delete", {})) == []


@dataclass(frozen=True)
class Refused:
    """The answer to a request, and when it came."""

    status: int
    took_s: float


def deletion(client: Client, now_ns: int) -> Refused:
    begun_s = time.monotonic()
    asked = urlencode({"query": '{app="p"}', "start": str(now_ns // 10**9 - 60)})
    client.request("POST", f"/loki/api/v1/delete?{asked}")
    return Refused(client.status, time.monotonic() - begun_s)


def lines_of_both(client: Client, today_ns: int) -> list[str]:
    """Of yesterday and today; nothing where that cannot be told."""
    params = {"query": '{app="p"}', "start": str(today_ns - DAY_NS), "end": str(today_ns + DAY_NS)}
    try:
        body = client.get("/loki/api/v1/query_range", {**params, "direction": "forward"})
    except ServerGone:
        return []
    if client.status != 200:
        return []
    return [line for stream in orjson.loads(body)["data"]["result"] for _, line in stream["values"]]


def adoptions(server: LodurServer) -> int:
    return server.log().count("write-ahead log adopted")
