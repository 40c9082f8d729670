"""Alertmanagers found by DNS, asked of a real name server: found, more of them, gone, and no answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from lodur.model.errors import Unavailable
from lodur.ruler.discovery import FOUND_MAX, Discovery, DnsResolver, Service, is_service_name
from lodur.ruler.options import AlertmanagerOptions, HttpOptions, RulerOptions
from lodur.wire.client_auth import BasicAuth, Secret
from tests.servers.dns_server import DnsServer
from tests.servers.receiver import Receiver
from tests.unit.ruler.test_outputs import GROUP, RULE, Site, alert, until

NAME = "_web._tcp.am.example"


@pytest.fixture
def names() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


def resolver(names: DnsServer) -> DnsResolver:
    return DnsResolver(Service("127.0.0.1", names.port))


def test_records_become_addresses(names: DnsServer) -> None:
    names.records[NAME] = ["10 5 9094 b.example.", "0 5 9093 a.example.", "0 0 9093 a.example."]
    names.records["_x._tcp.other"] = ["0 0 80 c."]
    discovery = Discovery((f"https://me:pw@{NAME}/prefix/", "http://_x._tcp.other"), resolver(names))
    assert asyncio.run(discovery.find()) == (
        "https://me:pw@a.example:9093/prefix/",
        "https://me:pw@b.example:9094/prefix/",
        "http://c:80",
    )


def test_gone_names_have_nobody_and_silent_servers_change_nothing(names: DnsServer) -> None:
    async def work() -> None:
        discovery = Discovery((f"http://{NAME}", "http://_none._tcp.other"), resolver(names))
        assert await discovery.find() == ("http://a:1",)
        names.fails = True
        assert await discovery.find() == ("http://a:1",)
        names.fails = False
        names.records[NAME] = []
        assert await discovery.find() == ()

    names.records[NAME] = ["0 0 1 a."]
    asyncio.run(work())


def test_a_name_has_so_many_at_most(names: DnsServer) -> None:
    names.records[NAME] = [f"0 0 {port} a." for port in range(1, 2 * FOUND_MAX)]
    # An answer that long comes in several parts by TCP from real servers; here one packet of loopback holds it.
    assert len(asyncio.run(Discovery((f"http://{NAME}",), resolver(names)).find())) == FOUND_MAX


def test_no_name_server_is_told_with_the_name() -> None:
    with DnsServer() as gone:
        asked = DnsResolver(Service("127.0.0.1", gone.port), lookup_s=0.2)
    with pytest.raises(Unavailable, match=NAME):
        asyncio.run(asked.services(NAME))


@pytest.mark.parametrize(
    ("host", "is_name"),
    [(NAME, True), ("_a._udp.x", True), ("_a._tcp", False), ("web._tcp.x", False), ("_a.b.x", False), ("", False)],
)
def test_names_of_services(host: str, is_name: bool) -> None:
    assert is_service_name(host) is is_name


class SwallowingResolver:
    """Finds nobody, and answers to its own cancellation all the same."""

    def __init__(self) -> None:
        self.lookups = 0

    async def services(self, _name: str) -> Sequence[Service]:
        self.lookups += 1
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0.02 if self.lookups == 1 else 3600)
        return ()


def test_a_look_up_that_swallows_its_cancellation_keeps_nobody_from_closing(tmp_path: Path) -> None:
    async def work() -> None:
        asked = SwallowingResolver()
        told = AlertmanagerOptions((f"http://{NAME}",), HttpOptions(timeout_s=5), discovers=True, refresh_s=0.02)
        site = Site(tmp_path, replace(RulerOptions(), alertmanager=told), resolver=asked)
        await site.outputs.tell(GROUP, [(RULE, alert("First"))])
        await until(lambda: asked.lookups == 2)
        async with asyncio.timeout(5):
            await site.outputs.close()
        assert asked.lookups == 2

    asyncio.run(work())


def test_alerts_go_where_the_names_lead(names: DnsServer, tmp_path: Path) -> None:
    def at(*receivers: Receiver) -> list[str]:
        return [f"0 0 {one.port} 127.0.0.1." for one in receivers]

    async def work() -> None:
        with Receiver() as one, Receiver() as two:
            names.records[NAME] = at(one)
            http = HttpOptions(timeout_s=5, auth=BasicAuth("me", Secret("secret")))
            told = AlertmanagerOptions((f"http://{NAME}/am",), http, discovers=True, refresh_s=0.02)
            site = Site(tmp_path, replace(RulerOptions(), alertmanager=told), resolver=resolver(names))
            await site.outputs.tell(GROUP, [(RULE, alert("First"))])
            await until(lambda: len(one.posted) == 1)
            assert one.posted[0].path == "/am/api/v2/alerts"
            names.records[NAME] = at(one, two)
            await until(lambda: site.count("prometheus_notifications_alertmanagers_discovered") == 2)
            await site.outputs.tell(GROUP, [(RULE, alert("Second"))])
            await until(lambda: len(one.posted) == 2 and len(two.posted) == 1)
            del names.records[NAME]
            await until(lambda: site.count("prometheus_notifications_alertmanagers_discovered") == 0)
            await site.outputs.tell(GROUP, [(RULE, alert("Third"))])
            assert site.count("prometheus_notifications_dropped_total") == 1
            names.records[NAME] = at(two)
            await until(lambda: site.count("prometheus_notifications_alertmanagers_discovered") == 1)
            await site.outputs.tell(GROUP, [(RULE, alert("Fourth"))])
            await until(lambda: len(two.posted) == 2)
            await site.outputs.close()
        assert len(one.posted) == 2
        assert b"Fourth" in two.posted[1].body

    asyncio.run(work())
