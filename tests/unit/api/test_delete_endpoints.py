"""The delete API as Loki's clients know it: parameters, refusals, listings, cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from lodur.api import loki_delete
from lodur.api.tenant import Tenancy
from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_HOUR, NS_PER_S
from lodur.model.limits import DeletionMode
from lodur.store.compaction.options import CompactorOptions
from lodur.store.delete_service import DeleteOptions
from tests.compacting_node import TENANT, Node, Row

NOW_S = 1_730_010_000
HOUR_AGO = str(NOW_S - 3600)


@dataclass
class Site:
    """A node behind the routes of this family."""

    node: Node
    options: DeleteOptions = field(default_factory=lambda: DeleteOptions(enabled=True))

    def ask(
        self, method: str, headers: Mapping[str, str] | None = None, path: str = "delete", **params: str
    ) -> httpx.Response:
        self.node.deletes.options = self.options
        app = Starlette(routes=loki_delete.routes(self.node.deletes, Tenancy(auth_enabled=True), self.node.clock))
        root = "/lodur/api/v1" if path.startswith("deletes/") else "/loki/api/v1"

        async def answered() -> httpx.Response:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://lodur") as client:
                sent = {"X-Scope-OrgID": TENANT.value, **(headers or {})}
                return await client.request(method, f"{root}/{path}", headers=sent, params=params)

        return asyncio.run(answered())

    def refusal(self, method: str = "POST", **params: str) -> tuple[int, str]:
        answer = self.ask(method, None, "delete", **params)
        return answer.status_code, answer.text


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    node = Node(tmp_path, ManualClock(NOW_S * NS_PER_S), options=CompactorOptions(retention_enabled=True))
    yield Site(node)
    node.stop()


def line(number: int) -> Row:
    return ("x", (NOW_S - 1800 + number) * NS_PER_S, f"line {number}")


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_request_is_made_listed_and_cancelled(site: Site, method: str) -> None:
    site.node.push([line(1), line(2)])
    query = '{app="x"} |= "1"'
    made = site.ask(method, query=query, start=HOUR_AGO)
    assert (made.status_code, made.text) == (204, "")
    made_id = made.headers["X-Delete-Request-ID"]
    assert len(made_id) == 8
    int(made_id, 16)
    assert site.node.rows() == [line(2)]
    listed = site.ask("GET")
    assert listed.json() == [
        {
            "request_id": made_id,
            "start_time": NOW_S - 3600,
            "end_time": NOW_S,
            "query": query,
            "status": "received",
            "created_at": NOW_S,
            "user_id": "",
        }
    ]
    assert site.ask("DELETE", request_id=made_id).status_code == 204
    assert site.ask("GET").json() == []
    assert site.node.rows() == [line(1), line(2)]
    (told,) = site.ask("GET", path="deletes/audit").json()
    assert (told["request_id"], told["cancelled"]["forced"], told["removed_entries"]) == (made_id, False, 0)


def test_states_and_the_audit_trail_follow_the_compactor(site: Site) -> None:
    node = site.node
    node.push([line(1), line(2)])
    made_id = site.ask("POST", query='{app="x"} |= "1"', start=HOUR_AGO).headers["X-Delete-Request-ID"]
    node.clock.advance(86_401.0)
    node.compact()
    (listed,) = site.ask("GET").json()
    assert listed["status"] == "0% Complete"
    assert site.refusal("DELETE", request_id=made_id) == (
        400,
        "Cancellation of partially completed delete request or delete request past the deadline of 24h0m0s since its "
        "creation is not allowed. To force, use the ?force query parameter\n",
    )
    node.flush()
    node.compact()
    (listed,) = site.ask("GET").json()
    assert listed["status"] == "processed"
    refused = "deletion of request which is in process or already processed is not allowed\n"
    assert site.refusal("DELETE", request_id=made_id, force="true") == (400, refused)
    (told,) = site.ask("GET", path="deletes/audit").json()
    assert (told["removed_entries"], told["created_by"]) == (1, "127.0.0.1")
    (removal,) = told["removals"]
    assert removal["into"] == [meta.id for meta in node.tenant_store.live()]
    assert told["unread_segments"] == []


def test_the_audit_trail_names_segments_that_could_not_be_looked_at(site: Site) -> None:
    node = site.node
    node.push([line(1)])
    node.flush()
    (missing,) = node.tenant_store.live()
    node.objects.delete(missing.path)
    assert node.rows() == []
    site.ask("POST", query='{app="x"}', start=HOUR_AGO)
    node.clock.advance(86_401.0)
    node.compact()
    answer = site.ask("GET", path="deletes/audit")
    (told,) = answer.json()
    assert told["unread_segments"] == [missing.path]


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({}, "query not set"),
        ({"query": "{"}, "invalid query expression"),
        ({"query": 'rate({app="x"}[1m])'}, "invalid query expression"),
        ({"query": '{app="x"}'}, "start time not set"),
        ({"start": "tomorrow"}, "invalid start time: require unix seconds or RFC3339 format"),
        ({"start": "1730000000000000000"}, "invalid start time: require unix seconds or RFC3339 format"),
        ({"start": HOUR_AGO, "end": "1h"}, "invalid end time: require unix seconds or RFC3339 format"),
        ({"start": HOUR_AGO, "end": str(NOW_S + 1)}, "deletes in the future are not allowed"),
        ({"start": HOUR_AGO, "end": HOUR_AGO}, "start time can't be greater than or equal to end time"),
        ({"start": HOUR_AGO, "max_interval": "100ms"}, "invalid max_interval: valid time units are 's', 'm', 'h'"),
        ({"start": HOUR_AGO, "max_interval": "25h"}, "max_interval can't be greater than 24h0m0s"),
        (
            {"start": HOUR_AGO, "max_interval": "2h"},
            "max_interval can't be greater than the interval to be deleted (1h0m0s)",
        ),
    ],
)
def test_refusals_in_lokis_words(site: Site, params: dict[str, str], text: str) -> None:
    given = params if "query" in params or not params else {"query": '{app="x"} |= "1"', **params}
    assert site.refusal(**given) == (400, text + "\n")
    assert site.ask("GET").json() == []


def test_times_may_be_written_as_dates(site: Site) -> None:
    made = site.ask(
        "POST", query='{app="x"}', start="2024-10-27T03:33:20Z", end="2024-10-27T04:33:20.123Z", max_interval="what"
    )
    assert made.status_code == 204
    (listed,) = site.ask("GET").json()
    assert (listed["start_time"], listed["end_time"]) == (1_730_000_000, 1_730_003_600.123)


def test_an_unknown_request_is_not_found(site: Site) -> None:
    assert site.refusal("DELETE", request_id="12345678") == (404, "could not find delete request with given id\n")


def test_without_retention_there_are_no_requests(site: Site) -> None:
    site.options = DeleteOptions(enabled=False)
    for method in ("POST", "GET", "DELETE"):
        assert site.refusal(method) == (400, "Retention is not enabled\n")


def test_tenants_may_be_kept_from_deleting(site: Site) -> None:
    site.node.push([line(1)])
    site.ask("POST", query='{app="x"}', start=HOUR_AGO)
    assert site.node.rows() == []
    site.node.mode = DeletionMode.DISABLED
    assert site.refusal(query='{app="x"}', start=HOUR_AGO) == (403, "deletion is not available for this tenant\n")
    assert site.node.rows() == [line(1)]


def test_where_requests_only_filter_nothing_is_removed(site: Site) -> None:
    node = site.node
    node.mode = DeletionMode.FILTER_ONLY
    node.push([line(1)])
    node.flush()
    site.ask("POST", query='{app="x"}', start=HOUR_AGO)
    node.clock.advance(10 * 24 * NS_PER_HOUR / NS_PER_S)
    node.compact()
    (listed,) = site.ask("GET").json()
    assert (node.rows(), node.counted_rows(), listed["status"]) == ([], 1, "received")


def test_one_tenant_at_a_time(site: Site) -> None:
    refused = site.ask("GET", headers={"X-Scope-OrgID": "a|b"})
    assert (refused.status_code, refused.text) == (400, "multiple org IDs present\n")
    refused = site.ask("GET", headers={"X-Scope-OrgID": ""})
    assert (refused.status_code, refused.text) == (401, "no org id\n")


def test_the_generation_changes_with_the_requests(site: Site) -> None:
    def generation() -> str:
        answer = site.ask("GET", path="cache/generation_numbers").json()
        assert isinstance(answer, str)
        return answer

    assert generation() == ""
    site.ask("POST", query='{app="x"}', start=HOUR_AGO)
    first = generation()
    assert int(first)
    site.ask("POST", query='{app="y"}', start=HOUR_AGO)
    assert generation() != first
