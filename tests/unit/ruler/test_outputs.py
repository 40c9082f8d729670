"""Alerts and samples reach those who take them, through failures and restarts."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from lodur.model.clock import ManualClock, SystemClock
from lodur.model.durations import NS_PER_HOUR, NS_PER_MINUTE, NS_PER_S
from lodur.model.label_set import LabelSet
from lodur.model.tenant import TenantId
from lodur.ruler.alerts import Alert
from lodur.ruler.discovery import Resolver
from lodur.ruler.groups import AlertingRule, GroupId, RuleGroup
from lodur.ruler.options import (
    AlertmanagerOptions,
    HttpOptions,
    RelabelRule,
    RemoteWriteClient,
    RulerLimits,
    RulerOptions,
    RulerWalOptions,
)
from lodur.ruler.outputs import Outputs, alert_message, clients_of, directory_name
from lodur.telemetry.ruler_metrics import RulerMetrics
from lodur.wire.client_auth import BasicAuth, HeaderAuth, Secret
from lodur.wire.remote_write import STALE, Sample
from tests.servers.process import free_port
from tests.servers.receiver import Receiver

TENANT = TenantId("t")
GROUP = RuleGroup(GroupId(TENANT, "ns", "g"), NS_PER_MINUTE, 0, ())
RULE = AlertingRule("A", 'rate({app="x"}[1m]) > 0')
DEADLINE_S = 20.0


def alert(name: str = "A", **times: int) -> Alert:
    labels = LabelSet.of({"alertname": name, "pod": "1"})
    return Alert(labels, (("summary", "s"),), 1.0, 1, **{"fired_at_ns": 10**18, "sent_at_ns": 10**18 + 1, **times})


def sample(name: str, value: float = 1.0) -> Sample:
    return Sample(LabelSet.of({"__name__": name, "pod": "1"}), 1_700_000_000_000, value)


@dataclass
class Site:
    """Outputs with the options of a test."""

    directory: Path
    options: RulerOptions = field(default_factory=RulerOptions)
    limits: RulerLimits = field(default_factory=RulerLimits)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    clock: ManualClock | SystemClock = field(default_factory=SystemClock)
    resolver: Resolver | None = None

    def __post_init__(self) -> None:
        self.options = replace(self.options, wal=RulerWalOptions(self.directory / "wal"))
        self.outputs = Outputs(
            self.options,
            lambda _: self.limits,
            user_agent="lodur-test",
            clock=self.clock,
            rng=random.Random(1),
            metrics=RulerMetrics(self.registry),
            resolver=self.resolver,
            drain_s=0.2,
        )

    def count(self, name: str) -> float:
        return sum(
            one.value for family in self.registry.collect() for one in family.samples if one.name == f"loki_{name}"
        )


def run(work: Coroutine[None, None, None]) -> None:
    asyncio.run(work)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.01)


def alerting(*urls: str, **others: object) -> RulerOptions:
    http = HttpOptions(timeout_s=5, auth=BasicAuth("me", Secret("secret")))
    base = AlertmanagerOptions(urls, http)
    return RulerOptions(alertmanager=replace(base, **others), external_url="https://g.example/", datasource_uid="d1")  # type: ignore[arg-type]  # fields by name


def writing(*clients: RemoteWriteClient) -> RulerOptions:
    return RulerOptions(remote_write_enabled=True, remote_write=clients)


def client(url: str, **others: object) -> RemoteWriteClient:
    quick = RemoteWriteClient("c", url, batch_wait_s=0.0, backoff_min_s=0.01, backoff_max_s=0.02)
    return replace(quick, **others)  # type: ignore[arg-type]  # fields by name


def test_every_alertmanager_is_told(tmp_path: Path) -> None:
    async def work() -> None:
        with Receiver() as one, Receiver() as two:
            site = Site(tmp_path, alerting(one.url, f"{two.url}/prefix/"))
            await site.outputs.tell(GROUP, [(RULE, alert())])
            await until(lambda: bool(one.posted and two.posted))
            await site.outputs.close()
        assert two.posted[0].path == "/prefix/api/v2/alerts"
        posted = one.posted[0]
        assert posted.headers["authorization"] == "Basic bWU6c2VjcmV0"
        assert posted.headers["x-scope-orgid"] == "t"
        assert posted.headers["user-agent"] == "lodur-test"
        (body,) = json.loads(posted.body)
        assert body["labels"] == {"alertname": "A", "pod": "1"}
        assert body["annotations"] == {"summary": "s"}
        assert body["startsAt"] == "2001-09-09T01:46:40.000Z"
        assert body["endsAt"] == "2001-09-09T01:50:40.000Z"
        assert body["generatorURL"].startswith("https://g.example/explore?left=%7B%22queries%22%3A%5B%7B%22expr")
        assert "d1" in body["generatorURL"]

    run(work())


def test_an_alertmanager_that_is_away_gets_the_newest_state_later(tmp_path: Path) -> None:
    async def work() -> None:
        away = Receiver(statuses=[503, 500])
        with away:
            site = Site(tmp_path, alerting(away.url))
            await site.outputs.tell(GROUP, [(RULE, alert())])
            await until(lambda: len(away.refused) == 1)
            await site.outputs.tell(GROUP, [(RULE, alert(resolved_at_ns=10**18 + NS_PER_S))])
            await until(lambda: bool(away.posted))
            await site.outputs.close()
        (body,) = json.loads(away.posted[0].body)
        assert body["endsAt"] == "2001-09-09T01:46:41.000Z"
        assert site.count("prometheus_notifications_errors_total") == 2

    run(work())


def test_what_an_alertmanager_refuses_is_dropped(tmp_path: Path) -> None:
    async def work() -> None:
        with Receiver(statuses=[400]) as strict:
            site = Site(tmp_path, alerting(strict.url))
            await site.outputs.tell(GROUP, [(RULE, alert("bad"))])
            await until(lambda: len(strict.refused) == 1)
            await site.outputs.tell(GROUP, [(RULE, alert("good"))])
            await until(lambda: len(strict.posted) == 1)
            await site.outputs.close()
        assert [one["labels"]["alertname"] for one in json.loads(strict.posted[0].body)] == ["good"]
        assert site.count("prometheus_notifications_dropped_total") == 1

    run(work())


def test_the_queue_is_bounded(tmp_path: Path) -> None:
    async def work() -> None:
        site = Site(tmp_path, alerting(f"http://127.0.0.1:{free_port()}", queue_alerts_max=5))
        await site.outputs.tell(GROUP, [(RULE, alert(str(number))) for number in range(9)])
        assert site.count("prometheus_notifications_dropped_total") == 4
        await until(lambda: site.count("prometheus_notifications_errors_total") == 5)
        await site.outputs.close()

    run(work())


def test_a_tenant_has_alertmanagers_of_its_own(tmp_path: Path) -> None:
    async def work() -> None:
        with Receiver() as common, Receiver() as own:
            site = Site(tmp_path, alerting(common.url))
            await site.outputs.tell(GROUP, [(RULE, alert())])
            await until(lambda: len(common.posted) == 1)
            site.limits = RulerLimits(alertmanager=AlertmanagerOptions((own.url,)))
            await site.outputs.tell(GROUP, [(RULE, alert())])
            await until(lambda: len(own.posted) == 1)
            await site.outputs.close()
        assert len(common.posted) == 1

    run(work())


def test_labels_of_alerts_are_completed_and_changed() -> None:
    options = RulerOptions(
        external_labels=LabelSet.of({"site": "north", "pod": "none"}),
        alert_relabel=(
            RelabelRule("labeldrop", regex="alertname"),
            RelabelRule("drop", ("pod",), regex="2"),
            RelabelRule("replace", ("site", "pod"), regex="(.*);(.*)", target_label="where", replacement="$2@$1"),
        ),
    )
    message = alert_message(options, GROUP, RULE, alert())
    assert message is not None
    assert dict(message.labels.pairs) == {"pod": "1", "site": "north", "where": "1@north"}
    other = replace(alert(), labels=LabelSet.of({"pod": "2"}))
    assert alert_message(options, GROUP, RULE, other) is None


def test_samples_arrive_in_order(tmp_path: Path) -> None:
    async def work() -> None:
        with Receiver() as store:
            http = HttpOptions(headers=(("X-Own", "1"),), auth=HeaderAuth("Bearer", Secret("token")))
            site = Site(tmp_path, writing(client(f"{store.url}/write", http=http)))
            for number in range(5):
                await site.outputs.record(TENANT, [sample("r", float(number)), sample("end", STALE)])
            await until(lambda: len(store.samples()) == 10)
            await site.outputs.close()
        posted = store.posted[0]
        assert posted.path == "/write"
        assert {
            "x-prometheus-remote-write-version": "0.1.0",
            "content-encoding": "snappy",
            "content-type": "application/x-protobuf",
            "x-scope-orgid": "t",
            "x-own": "1",
            "authorization": "Bearer token",
        }.items() <= posted.headers.items()
        values = [value for labels, _, value in store.samples() if labels["__name__"] == "r"]
        assert values == [0.0, 1.0, 2.0, 3.0, 4.0]
        assert store.samples()[0] == ({"__name__": "r", "pod": "1"}, 1_700_000_000_000, 0.0)
        assert site.count("ruler_wal_prometheus_remote_storage_samples_total") == 10

    run(work())


def test_samples_outlive_a_receiver_that_is_away_and_a_restart(tmp_path: Path) -> None:
    async def work() -> None:
        port = free_port()
        url = f"http://127.0.0.1:{port}/write"
        before = Site(tmp_path, writing(client(url)))
        await before.outputs.record(TENANT, [sample("r", 1.0)])
        await before.outputs.record(TENANT, [sample("r", 2.0)])
        await until(lambda: before.count("ruler_wal_prometheus_remote_storage_samples_retried_total") > 0)
        await before.outputs.close()
        with Receiver(port=port) as store:
            after = Site(tmp_path, writing(client(url)))
            await after.outputs.start()
            await until(lambda: len(store.samples()) == 2)
            await after.outputs.record(TENANT, [sample("r", 3.0)])
            await until(lambda: len(store.samples()) == 3)
            await after.outputs.close()
            # What was sent is not sent again.
            last = Site(tmp_path, writing(client(url)))
            await last.outputs.start()
            await last.outputs.record(TENANT, [sample("r", 4.0)])
            await until(lambda: len(store.samples()) == 4)
            await last.outputs.close()
        assert [value for _, _, value in store.samples()] == [1.0, 2.0, 3.0, 4.0]

    run(work())


@pytest.mark.parametrize(("status", "retried"), [(500, True), (429, True), (400, False)])
def test_what_a_refusal_means(tmp_path: Path, status: int, retried: bool) -> None:
    async def work() -> None:
        with Receiver(statuses=[status]) as store:
            site = Site(tmp_path, writing(client(store.url)))
            await site.outputs.record(TENANT, [sample("first")])
            await until(lambda: len(store.refused) == 1)
            await site.outputs.record(TENANT, [sample("second")])
            await until(lambda: any(labels["__name__"] == "second" for labels, _, _ in store.samples()))
            await site.outputs.close()
        names = [labels["__name__"] for labels, _, _ in store.samples()]
        assert names == (["first", "second"] if retried else ["second"])

    run(work())


def test_samples_that_wait_too_long_are_dropped(tmp_path: Path) -> None:
    async def work() -> None:
        port = free_port()
        clock = ManualClock(1_700_000_000 * NS_PER_S)
        site = Site(tmp_path, writing(client(f"http://127.0.0.1:{port}")), clock=clock)
        await site.outputs.record(TENANT, [sample("old")])
        await until(lambda: site.count("ruler_wal_prometheus_remote_storage_samples_retried_total") > 0)
        clock.advance(5 * NS_PER_HOUR / NS_PER_S)
        await until(lambda: site.count("ruler_wal_prometheus_remote_storage_samples_dropped_total") == 1)
        with Receiver(port=port) as store:
            await site.outputs.record(TENANT, [sample("new")])
            await until(lambda: bool(store.posted))
            await site.outputs.close()
        assert [labels["__name__"] for labels, _, _ in store.samples()] == ["new"]

    run(work())


def test_what_was_dropped_is_not_read_back(tmp_path: Path) -> None:
    async def work() -> None:
        port = free_port()
        clock = ManualClock(1_700_000_000 * NS_PER_S)
        site = Site(tmp_path, writing(client(f"http://127.0.0.1:{port}")), clock=clock)
        await site.outputs.record(TENANT, [sample("old")])
        clock.advance(5 * NS_PER_HOUR / NS_PER_S)
        await until(lambda: site.count("ruler_wal_prometheus_remote_storage_samples_dropped_total") == 1)
        await site.outputs.close()
        # Time goes back, so that only the WAL's own note can keep the sample away.
        after = Site(tmp_path, writing(client(f"http://127.0.0.1:{port}")), clock=ManualClock(1_700_000_000 * NS_PER_S))
        with Receiver(port=port) as store:
            await after.outputs.start()
            await after.outputs.record(TENANT, [sample("new")])
            await until(lambda: bool(store.posted))
            await after.outputs.close()
        assert [labels["__name__"] for labels, _, _ in store.samples()] == ["new"]

    run(work())


def test_large_turns_are_sent_in_parts(tmp_path: Path) -> None:
    async def work() -> None:
        with Receiver() as store:
            site = Site(tmp_path, writing(client(store.url, samples_per_send_max=10)))
            await site.outputs.record(TENANT, [sample(f"r{number}") for number in range(25)])
            await until(lambda: len(store.samples()) == 25)
            await site.outputs.close()
        assert len(store.posted) == 3

    run(work())


def test_relabelling_chooses_what_is_sent(tmp_path: Path) -> None:
    async def work() -> None:
        with Receiver() as store:
            rules = (RelabelRule("keep", ("__name__",), regex="r:.*"),)
            site = Site(tmp_path, writing(client(store.url, relabel=rules)))
            await site.outputs.record(TENANT, [sample("ALERTS"), sample("r:x")])
            await until(lambda: bool(store.posted))
            await site.outputs.close()
        assert [labels["__name__"] for labels, _, _ in store.samples()] == ["r:x"]

    run(work())


def test_whose_samples_go_where() -> None:
    base = RemoteWriteClient("a", "http://a", HttpOptions(timeout_s=1, headers=(("h", "1"),)))
    options = writing(base, RemoteWriteClient("unused", ""))
    own = RemoteWriteClient("a", "http://own", HttpOptions(timeout_s=9), given=frozenset({"url"}))
    new = RemoteWriteClient("b", "http://b", given=frozenset({"url"}))
    limits = RulerLimits(remote_write=(own, new))
    assert clients_of(options, lambda _: RulerLimits(), TENANT) == {"a": base}
    assert clients_of(options, lambda _: limits, TENANT) == {"a": replace(base, url="http://own"), "b": new}
    assert clients_of(options, lambda _: replace(limits, remote_write_disabled=True), TENANT) == {}
    assert clients_of(replace(options, remote_write_enabled=False), lambda _: limits, TENANT) == {}


def test_names_of_clients_make_safe_folders() -> None:
    assert directory_name("prod-1") == "prod-1"
    assert directory_name("../x") != directory_name("../y")
    assert "/" not in directory_name("../x")
