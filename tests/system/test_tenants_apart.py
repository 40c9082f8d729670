"""Tenants whose names are alike, or those of folders, see their own alone, and each has files of its own.

Every route that tells of a tenant is asked, by one tenant after the other with the same words, of a directory and of a
bucket, with all caches on. A marker of letters that no other tenant has stands in all that is a tenant's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from urllib.parse import urlencode

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from websockets.sync.client import connect

from tests.conftest import StartLodur
from tests.fuzz_routes.routes import lodur_routes
from tests.push_bodies import Entry, json_push
from tests.servers.lodur import LodurServer
from tests.servers.process import wait_until
from tests.servers.raw_http import Answer, ask
from tests.servers.s3 import S3Server
from tests.system.test_serve_s3 import config_text as on_s3

DIRECTORY = """\
auth_enabled: true
common: {path_prefix: data}
"""

EVERYTHING = """
pattern_ingester: {enabled: true}
querier: {multi_tenant_queries_enabled: true}
query_range: {cache_results: true}
compactor: {retention_enabled: true, delete_request_store: filesystem}
ruler: {poll_interval: 1s}
runtime_config: {file: overrides.yaml}
"""

WAL_IN_THE_BUCKET = "  wal: object\n"

ALL_FROM_THE_DISK = "  cache: {small_ranges_max_bytes: 0}\n"
"""Else ranges of segments as small as these stay in memory."""

TENANTS = ("a", "A", "a-b", "a.b", "a'b", "wal", "segments", "fake", "(a)!*")

HOUR_NS = 3600 * 10**9
DEADLINE_S = 60.0

EVERY = '{app="x"}'
COUNT = f"sum by (own) (count_over_time({EVERY}[1m]))"

ENTRIES_TOLD = "the number of the tenant's entries"
LIMIT_TOLD = "the tenant's limit"


def marker(tenant: str) -> str:
    """Letters alone, which patterns leave as they are and every format writes as they are; none is part of another."""
    return "own" + "".join(chr(ord("g") + int(digit, 16)) for digit in tenant.encode().hex()) + "end"


def lines_of(tenant: str) -> int:
    """Of each push; no two tenants have as many."""
    return TENANTS.index(tenant) + 2


def volume_limit(tenant: str) -> int:
    """What overrides give the tenant."""
    return 2000 + TENANTS.index(tenant)


@dataclass(frozen=True)
class Asked:
    """The parameters of a request, and what its answer tells of the tenant: its marker where nothing else is said."""

    params: dict[str, str] = field(default_factory=dict)
    told: str = ""
    name: str = "own"
    """In the path, where a label or a field is named there."""

    def own(self, tenant: str) -> str:
        """A regular expression for what the tenant must be told."""
        if self.told == ENTRIES_TOLD:
            return rf'"entries":{2 * lines_of(tenant)}\b'
        return rf"volume_max_series\"?: ?{volume_limit(tenant)}\b" if self.told == LIMIT_TOLD else marker(tenant)


QUERY = {"query": EVERY, "limit": "1000", "line_limit": "1000", "targetLabels": "own", "step": "60"}

ASKED: dict[str, tuple[Asked, ...]] = {
    "/api/prom/api/v1/alerts": (Asked(),),
    "/api/prom/api/v1/rules": (Asked(),),
    "/api/prom/label": (Asked(),),
    "/api/prom/label/{name}/values": (Asked(),),
    "/api/prom/query": (Asked(QUERY),),
    "/api/prom/rules": (Asked(),),
    "/api/prom/rules/{namespace:path}": (Asked(),),
    "/api/prom/series": (Asked({"match[]": EVERY}),),
    "/config/tenant/v1/limits": (Asked(told=LIMIT_TOLD),),
    "/lodur/api/v1/deletes/audit": (Asked(),),
    "/loki/api/v1/delete": (Asked(),),
    "/loki/api/v1/detected_field/{name}/values": (Asked(QUERY, name="mine"),),
    "/loki/api/v1/detected_fields": (Asked(QUERY),),
    "/loki/api/v1/detected_labels": (Asked(QUERY),),
    "/loki/api/v1/drilldown-limits": (Asked(told=LIMIT_TOLD),),
    "/loki/api/v1/index/stats": (Asked(QUERY, told=ENTRIES_TOLD),),
    "/loki/api/v1/index/volume": (Asked(QUERY),),
    "/loki/api/v1/index/volume_range": (Asked(QUERY),),
    "/loki/api/v1/label": (Asked(),),
    "/loki/api/v1/label/{name}/values": (Asked(),),
    "/loki/api/v1/labels": (Asked(),),
    "/loki/api/v1/patterns": (Asked(QUERY),),
    "/loki/api/v1/query": (Asked({"query": COUNT.replace("1m", "8h")}),),
    "/loki/api/v1/query_range": (Asked(QUERY), Asked({**QUERY, "query": COUNT})),
    "/loki/api/v1/rules": (Asked(),),
    "/loki/api/v1/rules/{namespace:path}": (Asked(),),
    "/loki/api/v1/series": (Asked({"match[]": EVERY}),),
    "/prometheus/api/v1/alerts": (Asked(),),
    "/prometheus/api/v1/rules": (Asked(),),
}
"""By route: what tells of one tenant, and is asked with GET."""

TAILS = ("/api/prom/tail", "/loki/api/v1/tail")

GENERATION = "/loki/api/v1/cache/generation_numbers"
"""Counts the changes of a tenant's delete requests."""

TELL_OF_NO_TENANT = {
    *("/", "/config", "/memberlist", "/ready", "/services", "/log_level", "/flush"),
    *("/loki/api/v1/format_query", "/loki/api/v1/status/buildinfo"),
    *("/ring", "/compactor/ring", "/distributor/ring", "/indexgateway/ring", "/pattern/ring", "/ruler/ring"),
    *("/scheduler/ring", "/ingester/prepare_partition_downscale", "/ingester/prepare_shutdown", "/ingester/shutdown"),
    *("/debug/pprof/", "/debug/pprof/goroutine", "/debug/pprof/profile"),
    # Of all tenants, for operators.
    *("/metrics", "/runtime_config"),
}

RULES = """
name: %s
interval: 1s
rules:
- alert: Lines
  expr: sum by (own) (count_over_time({app="x"}[8h])) > 0
"""


@dataclass(frozen=True)
class Site:
    """A server, asked by tenants at one time."""

    server: LodurServer
    now_ns: int

    def ask(self, tenant: str, method: str, path: str, params: dict[str, str], body: bytes = b"") -> Answer:
        headers = {"X-Scope-OrgID": tenant, "Content-Type": "application/json"}
        return ask(self.server.port, method, f"{path}?{urlencode(params)}", headers, body)

    def span(self) -> dict[str, str]:
        """The same for all tenants; of whole hours in its midst some are over."""
        end_ns = self.now_ns + 10**9
        return {"start": str(self.now_ns - 8 * HOUR_NS + 2 * 10**9), "end": str(end_ns), "time": str(end_ns)}

    def push(self, tenant: str, first_ns: int, what: str) -> None:
        """As many lines as the tenant has, with its marker in a line, in a field, and in name and value of labels."""
        own = marker(tenant)
        entries: list[Entry] = [
            (first_ns + at, f"n={at} mine={own} {own}=1 {what} of {own}", {}) for at in range(lines_of(tenant))
        ]
        body = json_push([({"app": "x", "own": own, own: "1"}, entries)])
        assert self.ask(tenant, "POST", "/loki/api/v1/push", {}, body).status == 204

    def push_all(self, first_ns: int, what: str) -> None:
        with ThreadPoolExecutor(len(TENANTS)) as threads:
            list(threads.map(lambda tenant: self.push(tenant, first_ns, what), TENANTS))

    def lines(self, tenant: str) -> list[str]:
        answer = self.ask(tenant, "GET", "/loki/api/v1/query_range", {**QUERY, **self.span()})
        streams = orjson.loads(answer.text)["data"]["result"]
        return [value[1] for stream in streams for value in stream["values"]]

    def hits(self, cache: str) -> float:
        """How often what was asked of a cache was there."""
        text = ask(self.server.port, "GET", "/metrics").text
        found = re.search(rf'^lodur_cache_hits_total{{cache="{cache}"}} (\S+)$', text, re.MULTILINE)
        return float(found[1]) if found else 0.0


def test_every_route_is_asked_or_tells_of_no_tenant() -> None:
    routes = lodur_routes()
    assert {route.path for route in routes if route.is_websocket} == set(TAILS)
    read = {route.path for route in routes if "GET" in route.methods and not route.is_websocket}
    assert read - set(TAILS) == set(ASKED) | {GENERATION} | TELL_OF_NO_TENANT
    assert not set(ASKED) & TELL_OF_NO_TENANT


@pytest.mark.parametrize("store", ["directory", "bucket"])
def test_tenants_see_their_own_alone(
    lodur_server: StartLodur, now_ns: int, store: str, request: pytest.FixtureRequest
) -> None:
    s3: S3Server | None = request.getfixturevalue("s3_server") if store == "bucket" else None
    bucket = s3.new_bucket() if s3 else ""
    site = Site(started(lodur_server, s3, bucket), now_ns)
    site.push_all(now_ns - 5 * HOUR_NS, "old")
    assert site.ask("a", "POST", "/flush", {}).status == 204
    site.push_all(now_ns - len(TENANTS) - 2, "new")
    for tenant in TENANTS:
        make_rules_and_requests(site, tenant)
    for tenant in TENANTS:
        wait_for_alert(site, tenant)
    check_answers(site, TENANTS)
    before = {name: site.hits(name) for name in ("ranges", "results")}
    # All is in the caches by now, and is taken from there.
    check_answers(site, TENANTS[:3])
    assert site.hits("results") > before["results"]
    assert (site.hits("ranges") > before["ranges"]) == (store == "bucket")
    check_several_at_once(site)
    check_tails(site)
    check_changes_are_ones_own(site)
    assert site.ask("a", "POST", "/flush", {}).status == 204
    site.server.kill()
    check_segments(segments_of_bucket(s3, bucket) if s3 else segments_of_directory(site.server))


def started(lodur_server: StartLodur, s3: S3Server | None, bucket: str) -> LodurServer:
    text = DIRECTORY
    if s3 is not None:
        text = (
            on_s3(s3, bucket).replace("auth_enabled: false", "auth_enabled: true")
            + WAL_IN_THE_BUCKET
            + ALL_FROM_THE_DISK
        )
    server = lodur_server(config_text=text + EVERYTHING, start=False)
    overrides = {"overrides": {tenant: {"volume_max_series": volume_limit(tenant)} for tenant in TENANTS}}
    (server.directory / "overrides.yaml").write_text(json.dumps(overrides))
    server.start()
    return server


def make_rules_and_requests(site: Site, tenant: str) -> None:
    rules = (RULES % marker(tenant)).encode()
    assert site.ask(tenant, "POST", "/loki/api/v1/rules/ns", {}, rules).status == 202
    asked = {"query": f'{{app="nowhere", own="{marker(tenant)}"}}', "start": str(site.now_ns // 10**9 - 60)}
    assert site.ask(tenant, "POST", "/loki/api/v1/delete", asked).status == 204


def alerts(site: Site, tenant: str) -> list[str]:
    """What lines the rules have found, which are the same rules for all tenants."""
    told = orjson.loads(site.ask(tenant, "GET", "/prometheus/api/v1/alerts", {}).text)["data"]["alerts"]
    return [alert["labels"]["own"] for alert in told]


def wait_for_alert(site: Site, tenant: str) -> None:
    wait_until(lambda: alerts(site, tenant) == [marker(tenant)], deadline_s=DEADLINE_S, what="the alert")


def check_answers(site: Site, tenants: Sequence[str]) -> None:
    """Each tenant asks what another one has asked just before."""
    for route, requests in ASKED.items():
        for asked in requests:
            path = route.replace("{name}", asked.name).replace("{namespace:path}", "ns")
            params = {**asked.params, **site.span()}
            for tenant in tenants:
                answer = site.ask(tenant, "GET", path, params)
                assert answer.status == 200, (route, answer.text)
                assert re.search(asked.own(tenant), answer.text), (route, tenant, answer.text)
                assert markers_of_others(tenant, answer.text) == [], (route, tenant)
    for tenant in tenants:
        expected = {"old": lines_of(tenant), "new": lines_of(tenant)}
        lines = site.lines(tenant)
        assert {what: sum(f" {what} of " in line for line in lines) for what in expected} == expected


def markers_of_others(tenant: str, text: str) -> list[str]:
    return [other for other in TENANTS if other != tenant and marker(other) in text]


def check_several_at_once(site: Site) -> None:
    asked = {"query": "sum by (__tenant_id__) (count_over_time({app=~`.+`}[8h]))", **site.span()}
    result = orjson.loads(site.ask("a|a-b", "GET", "/loki/api/v1/query", asked).text)["data"]["result"]
    counts = {series["metric"]["__tenant_id__"]: int(series["value"][1]) for series in result}
    assert counts == {tenant: 2 * lines_of(tenant) for tenant in ("a", "a-b")}


def check_tails(site: Site) -> None:
    """All tenants follow the same selector at the same time."""
    params = urlencode({"query": EVERY, "start": site.span()["start"], "limit": "1000"})
    with ExitStack() as stack:
        opened = []
        for tenant in TENANTS:
            for path in TAILS:
                url = f"ws://127.0.0.1:{site.server.port}{path}?{params}"
                headers = {"X-Scope-OrgID": tenant}
                opened.append((tenant, stack.enter_context(connect(url, additional_headers=headers))))
        site.push_all(site.now_ns, "live")
        for tenant, connection in opened:
            seen = ""
            while f"live of {marker(tenant)}" not in seen:
                seen += str(connection.recv(timeout=DEADLINE_S))
            assert f"old of {marker(tenant)}" in seen
            assert markers_of_others(tenant, seen) == []


def check_changes_are_ones_own(site: Site) -> None:
    """Nobody cancels what another tenant has asked for, nor deletes its lines or its rules."""
    one, other = TENANTS[:2]
    (listed,) = orjson.loads(site.ask(one, "GET", "/loki/api/v1/delete", {}).text)
    refused = site.ask(other, "DELETE", "/loki/api/v1/delete", {"request_id": listed["request_id"]})
    assert refused.status == 404
    assert orjson.loads(site.ask(one, "GET", "/loki/api/v1/delete", {}).text) == [listed]
    before, generations = {tenant: site.lines(tenant) for tenant in TENANTS}, generation_numbers(site)
    asked = {"query": EVERY, "start": str(site.now_ns // 10**9 - 10 * 3600)}
    assert site.ask(one, "POST", "/loki/api/v1/delete", asked).status == 204
    assert {tenant: site.lines(tenant) for tenant in TENANTS} == {**before, one: []}
    changed = {tenant for tenant, number in generation_numbers(site).items() if number != generations[tenant]}
    assert changed == {one}
    group = f"/loki/api/v1/rules/ns/{marker(one)}"
    assert [site.ask(other, method, group, {}).status for method in ("GET", "DELETE")] == [404, 202]
    assert site.ask(other, "DELETE", "/loki/api/v1/rules/ns", {}).status == 202
    assert site.ask(one, "GET", group, {}).status == 200


def generation_numbers(site: Site) -> dict[str, str]:
    return {tenant: site.ask(tenant, "GET", GENERATION, {}).text for tenant in TENANTS}


def segments_of_directory(server: LodurServer) -> Iterator[tuple[str, bytes]]:
    root = server.data / "chunks"
    return ((str(file.relative_to(root)), file.read_bytes()) for file in root.rglob("*.parquet"))


def segments_of_bucket(s3: S3Server, bucket: str) -> Iterator[tuple[str, bytes]]:
    client = s3.client()
    keys = [found["Key"] for found in client.list_objects_v2(Bucket=bucket)["Contents"]]
    return ((key, client.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys if key.endswith(".parquet"))


def check_segments(segments: Iterator[tuple[str, bytes]]) -> None:
    owners: set[str] = set()
    for path, file in segments:
        owner = path.split("/")[0]
        owners.add(owner)
        lines = pq.read_table(pa.BufferReader(file), columns=["line"]).column("line").to_pylist()
        assert lines
        assert all(line.endswith(f" of {marker(owner)}") for line in lines)
    assert owners == set(TENANTS)
