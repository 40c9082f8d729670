"""Alertmanagers found by DNS: the SRV records of a name say on which hosts and ports they listen.

A name that is not there means none; name servers that do not answer change nothing. Start at `Discovery.find`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

import structlog

from lodur.model.errors import Unavailable

LOOKUP_S = 5.0
"""For one name, all name servers and attempts together."""

FOUND_MAX = 64
"""Alertmanagers of one name: each has a queue and a task."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, order=True)
class Service:
    """Where something listens."""

    host: str
    port: int


class Resolver(Protocol):
    """Asks name servers."""

    async def services(self, name: str) -> Sequence[Service]:
        """What the SRV records of a name say; nothing where there are none. Raises Unavailable."""
        ...


class DnsResolver:
    """Asks the name servers of this machine, or the one that it is told of."""

    def __init__(self, nameserver: Service | None = None, *, lookup_s: float = LOOKUP_S) -> None:
        self._nameserver = nameserver
        self._lookup_s = lookup_s

    async def services(self, name: str) -> Sequence[Service]:
        # Few rulers look anything up, and the package takes a tenth of a second to load.
        from dns.asyncresolver import Resolver as AsyncResolver
        from dns.exception import DNSException
        from dns.rdtypes.IN.SRV import SRV
        from dns.resolver import NXDOMAIN, NoAnswer

        try:
            resolver = AsyncResolver(configure=self._nameserver is None)
            if self._nameserver is not None:
                resolver.nameservers = [self._nameserver.host]
                resolver.port = self._nameserver.port
            answer = await resolver.resolve(name, "SRV", search=True, lifetime=self._lookup_s)
        except (NXDOMAIN, NoAnswer):
            return ()
        except (DNSException, OSError, ValueError) as error:
            raise Unavailable(f"the name {name!r} cannot be looked up: {error}", retry_after_s=LOOKUP_S) from error
        records = [record for record in answer if isinstance(record, SRV)]
        return [Service(record.target.to_text(omit_final_dot=True), record.port) for record in records]


class Discovery:
    """The Alertmanagers behind some addresses, whose hosts are names of services."""

    def __init__(self, urls: Sequence[str], resolver: Resolver) -> None:
        self._found: dict[str, tuple[str, ...]] = dict.fromkeys(urls, ())
        self._resolver = resolver

    async def find(self) -> tuple[str, ...]:
        """Their addresses as they are now, or as they were where no name server answers."""
        for url in self._found:
            name = urlsplit(url).hostname or ""
            try:
                services = sorted(set(await self._resolver.services(name)))
            except Unavailable as error:
                _log.error("Alertmanagers cannot be looked up", name=name, err=str(error))
                continue
            if not services:
                _log.warning("no Alertmanager has this name", name=name)
            if len(services) > FOUND_MAX:
                _log.error("more Alertmanagers than are told", name=name, found=len(services), told=FOUND_MAX)
            self._found[url] = tuple(_at(url, service) for service in services[:FOUND_MAX])
        return tuple(dict.fromkeys(found for each in self._found.values() for found in each))


def is_service_name(host: str) -> bool:
    """The host is `_port._protocol.rest`, as names of SRV records are."""
    labels = host.split(".")
    return len(labels) > 2 and labels[0].startswith("_") and labels[1] in ("_tcp", "_udp")


def _at(url: str, service: Service) -> str:
    """The address with the host and port of a service."""
    parts = urlsplit(url)
    account, at, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{account}{at}{service.host}:{service.port}").geturl()
