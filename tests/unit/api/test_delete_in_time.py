"""The delete API over a store that hangs: answered in time, with what is known, and nothing half done."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from lodur.api import loki_delete
from lodur.api.tenant import Tenancy
from lodur.api.timely import CALLS_AT_ONCE
from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_S
from lodur.model.errors import Unavailable
from lodur.model.tenant import TenantId
from lodur.model.time_span import TimeSpan
from lodur.query.delete_queries import plan_of_request
from lodur.store.delete_service import DeleteOptions, DeleteService
from lodur.store.deletes.audit import READS_AT_ONCE
from lodur.store.deletes.deletions import Deletions
from lodur.store.deletes.paths import audit_folder, log_path
from lodur.store.filesystem_store import FilesystemStore
from lodur.store.journal import NoJournal
from lodur.store.object_store import StoredObject
from lodur.store.object_stores import ObjectStores
from lodur.store.store import Store
from lodur.telemetry.compaction_metrics import CompactionMetrics
from tests.servers.process import wait_until

TENANT = TenantId("t")
NOW_S = 1_730_010_000
QUERY = {"query": '{app="x"}', "start": str(NOW_S - 3600)}
WITHIN_S = 0.2
HANGS_FOR_S = 30.0
"""Longer than any test waits; each lets the store go on at its end."""

REQUESTS, TRAILS = log_path(TENANT), audit_folder(TENANT)
AUDIT = "/lodur/api/v1/deletes/audit"


class HangingStore(FilesystemStore):
    """A store of which the calls of one kind, for paths that begin with something, hang as long as they are told to."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.hanging: tuple[str, str] | None = None
        self.goes_on = threading.Event()
        self.under_way = 0
        self.fails_after = False
        """Whether the next write is carried out, and answered with an error."""
        self.denies_after = False
        """Whether the next write is carried out, and answered as one that met with another writer."""
        self.trail_s = 0.0
        """How long the reading of a trail takes."""

    def get(self, path: str) -> StoredObject | None:
        self._hang("get", path)
        if path.startswith(TRAILS):
            time.sleep(self.trail_s)
        return super().get(path)

    def replace_if(self, path: str, data: bytes, version: str | None) -> str | None:
        self._hang("replace", path)
        made = super().replace_if(path, data, version)
        if self.fails_after:
            self.fails_after = False
            raise Unavailable("the answer was lost")
        if self.denies_after:
            self.denies_after = False
            return None
        return made

    def _hang(self, call: str, path: str) -> None:
        if self.hanging is not None and self.hanging[0] == call and path.startswith(self.hanging[1]):
            self.under_way += 1
            self.goes_on.wait(HANGS_FOR_S)
            self.under_way -= 1


@dataclass
class Site:
    """A process whose requests lie in a store that may hang."""

    objects: HangingStore
    within_s: float = WITHIN_S

    def __post_init__(self) -> None:
        clock = ManualClock(NOW_S * NS_PER_S)
        deletions = Deletions(self.objects, plan_of_request, clock)
        store = Store(ObjectStores([(0, self.objects)]), NoJournal(), deletions=deletions)
        self.made = 0
        self.service = DeleteService(
            store,
            deletions,
            DeleteOptions(enabled=True),
            clock,
            new_id=self._new_id,
            metrics=CompactionMetrics(CollectorRegistry()).deletes,
        )
        tenancy = Tenancy(auth_enabled=True)
        self.app = Starlette(routes=loki_delete.routes(self.service, tenancy, clock, within_s=self.within_s))

    def make(self, count: int) -> None:
        for _ in range(count):
            span = TimeSpan(NOW_S - 3600, NOW_S)
            self.service.add(TENANT, self.service.new_request(QUERY["query"], span, max_interval_ns=0, by="test"))

    def _new_id(self) -> str:
        self.made += 1
        return f"{self.made:08x}"

    async def asked(self, method: str, path: str = "/loki/api/v1/delete", **params: str) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://lodur") as client:
            return await client.request(method, path, headers={"X-Scope-OrgID": TENANT.value}, params=params)

    def ask(self, method: str, path: str = "/loki/api/v1/delete", **params: str) -> httpx.Response:
        return asyncio.run(self.asked(method, path, **params))

    def hang(self, call: str, path: str) -> None:
        self.objects.goes_on.clear()
        self.objects.hanging = (call, path)

    def let_go(self) -> None:
        """What hangs is carried out."""
        self.objects.hanging = None
        self.objects.goes_on.set()
        wait_until(lambda: not self.objects.under_way, deadline_s=5.0, what="the end of calls")

    def ids(self) -> list[str]:
        return [one["request_id"] for one in self.ask("GET").json()]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(HangingStore(tmp_path))
    yield site
    site.let_go()


def test_a_request_whose_making_was_not_sent_in_time_is_never_made(site: Site) -> None:
    site.hang("get", REQUESTS)
    answer = site.ask("POST", **QUERY)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.text == (
        "the making of delete request 00000001 has taken longer than 0.2 s and was given up: nothing was changed\n"
    )
    site.let_go()
    assert site.ids() == []
    assert site.ask("POST", **QUERY).status_code == 204
    assert site.ids() == ["00000002"]


def test_a_request_that_was_sent_and_not_answered_may_be_made_and_is_listed_then(site: Site) -> None:
    site.hang("replace", REQUESTS)
    answer = site.ask("POST", **QUERY)
    assert answer.status_code == 504
    assert answer.text == (
        "the making of delete request 00000001 has taken longer than 0.2 s, may be done, or be done yet: GET "
        "/loki/api/v1/delete lists the requests that are in force\n"
    )
    site.let_go()
    wait_until(lambda: site.ids() == ["00000001"], deadline_s=5.0, what="the request")
    assert site.ask("POST", **QUERY).status_code == 204
    assert site.ids() == ["00000001", "00000002"]
    trails = site.ask("GET", AUDIT).json()
    assert [trail["request_id"] for trail in trails] == ["00000001", "00000002"]


def test_what_ends_after_its_client_was_answered_is_in_the_log(site: Site) -> None:
    site.hang("replace", REQUESTS)

    async def late() -> None:
        assert (await site.asked("POST", **QUERY)).status_code == 504
        await asyncio.to_thread(site.let_go)
        await asyncio.to_thread(wait_until, lambda: bool(logs), deadline_s=5.0, what="the log")

    with structlog.testing.capture_logs() as logs:
        asyncio.run(late())
    assert logs == [
        {
            "event": "a call ended after its client had been answered, or had left",
            "call": "the making of delete request 00000001",
            "log_level": "warning",
        }
    ]


def test_a_request_is_made_though_its_trail_is_not_written_in_time(site: Site) -> None:
    site.hang("replace", TRAILS)
    answer = site.ask("POST", **QUERY)
    assert (answer.status_code, answer.headers["X-Delete-Request-ID"]) == (204, "00000001")
    assert site.ids() == ["00000001"]


def test_a_cancellation_that_was_sent_and_not_answered_may_be_done(site: Site) -> None:
    assert site.ask("POST", **QUERY).status_code == 204
    site.hang("replace", REQUESTS)
    answer = site.ask("DELETE", request_id="00000001")
    assert answer.status_code == 504
    assert (
        "the cancellation of a delete request has taken longer than 0.2 s, may be done, or be done yet: GET"
        in answer.text
    )
    site.let_go()
    wait_until(lambda: site.ids() == [], deadline_s=5.0, what="the cancellation")
    assert site.ask("DELETE", request_id="00000001").status_code == 404

    def is_told() -> bool:
        (trail,) = site.ask("GET", AUDIT).json()
        return trail["cancelled"] is not None

    wait_until(is_told, deadline_s=5.0, what="the end of the trail")


@pytest.mark.parametrize("path", ["/loki/api/v1/delete", AUDIT])
def test_lists_are_refused_in_time(site: Site, path: str) -> None:
    site.hang("get", REQUESTS)
    answer = site.ask("GET", path)
    assert answer.status_code == 503
    assert "has taken longer than 0.2 s" in answer.text


def test_what_waits_behind_calls_that_hang_is_given_up(site: Site) -> None:
    """And holds up nothing that needs no store."""
    site.hang("get", REQUESTS)

    async def statuses() -> list[int]:
        answers = await asyncio.gather(*(site.asked("POST", **QUERY) for _ in range(CALLS_AT_ONCE + 2)))
        return [answer.status_code for answer in answers]

    assert set(asyncio.run(statuses())) == {503}
    site.let_go()
    assert site.ids() == []


def test_what_was_not_sent_when_its_client_left_is_never_made(site: Site) -> None:
    site.hang("get", REQUESTS)
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/loki/api/v1/delete",
        "query_string": str(httpx.QueryParams(QUERY)).encode(),
        "headers": [(b"x-scope-orgid", TENANT.value.encode())],
    }

    async def leave() -> dict[str, str]:
        wait = asyncio.get_running_loop().run_in_executor
        await wait(None, lambda: wait_until(lambda: site.objects.under_way > 0, deadline_s=5.0, what="the call"))
        return {"type": "http.disconnect"}

    async def ignore(_message: Any) -> None:
        return

    asyncio.run(site.app(scope, leave, ignore))
    site.let_go()
    assert site.ids() == []


def test_a_failure_after_which_a_request_may_be_made_says_so(site: Site) -> None:
    site.objects.fails_after = True
    answer = site.ask("POST", **QUERY)
    assert answer.status_code == 503
    assert answer.text == (
        "the answer was lost; it may be done all the same: GET /loki/api/v1/delete lists the requests that are in "
        "force\n"
    )
    assert site.ids() == ["00000001"]


@pytest.fixture
def patient_site(tmp_path: Path) -> Site:
    """With time for all that does not take long on purpose."""
    return Site(HangingStore(tmp_path), within_s=1.0)


def test_audit_trails_that_take_long_hold_up_no_new_request(patient_site: Site) -> None:
    patient_site.make(4 * READS_AT_ONCE)
    patient_site.objects.trail_s = 0.5

    async def statuses() -> list[int]:
        lists = asyncio.gather(*(patient_site.asked("GET", AUDIT) for _ in range(CALLS_AT_ONCE)))
        answer = await patient_site.asked("POST", **QUERY)
        return [answer.status_code, *(listed.status_code for listed in await lists)]

    assert asyncio.run(statuses()) == [204, *([503] * CALLS_AT_ONCE)]


def test_readings_that_nobody_waits_for_end(patient_site: Site) -> None:
    patient_site.make(20 * READS_AT_ONCE)
    patient_site.objects.trail_s = 0.2

    async def status() -> int:
        lists = asyncio.gather(*(patient_site.asked("GET", AUDIT) for _ in range(CALLS_AT_ONCE)))
        assert {listed.status_code for listed in await lists} == {503}
        # Each of them would take three seconds more.
        return (await patient_site.asked("GET")).status_code

    assert asyncio.run(status()) == 200


def test_many_trails_are_read_beside_each_other(patient_site: Site) -> None:
    patient_site.make(READS_AT_ONCE)
    patient_site.objects.trail_s = 0.1
    assert len(patient_site.ask("GET", AUDIT).json()) == READS_AT_ONCE


def test_a_cancellation_that_the_store_took_and_denied_is_done(site: Site) -> None:
    """As libraries answer that make a conditional write again by themselves after its answer was lost."""
    assert site.ask("POST", **QUERY).status_code == 204
    site.objects.denies_after = True
    assert site.ask("DELETE", request_id="00000001").status_code == 204
    assert site.ids() == []
    (trail,) = site.ask("GET", AUDIT).json()
    assert trail["cancelled"] is not None
