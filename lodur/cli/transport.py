"""How requests travel: through a proxy, compressed, tried again, and with which headers of the asker's own."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

AUTHORIZATION = "Authorization"

PROXY_PORT = 80
"""Of a proxy's address without one, as for any `http` address."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy: plain requests are handed to it whole, TLS goes through a tunnel that it opens."""

    host: str
    port: int
    username: str = ""
    """Empty where the proxy asks for no credentials."""
    password: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """What the proxy itself is to be shown."""
        if not self.username:
            return {}
        pair = f"{self.username}:{self.password}".encode()
        return {"Proxy-Authorization": f"Basic {base64.b64encode(pair).decode()}"}

    @property
    def url(self) -> str:
        """The address with its credentials: not for messages."""
        credentials = f"{quote(self.username, safe='')}:{quote(self.password, safe='')}@" if self.username else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{credentials}{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Transport:
    """What the options say about the way between here and the server."""

    proxy: Proxy | None = None
    compress: bool = False
    """Ask for answers in gzip."""
    retries: int = 0
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0
    auth_header: str = AUTHORIZATION
    query_tags: str = ""
    no_cache: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    """Others that the asker wants sent."""


DIRECT = Transport()
"""Where nothing is said."""


def parse_proxy(text: str) -> Proxy:
    """A proxy's address, with or without credentials; raises ValueError for anything else."""
    parts = urlsplit(text if "://" in text else f"http://{text}")
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(
            f"'{_without_secret(text)}' is not the address of a proxy; give one like http://proxy.example:8080"
        )
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Proxy(parts.hostname, parts.port or PROXY_PORT, username, password)


def environment_proxy(host: str, *, tls: bool) -> Proxy | None:
    """The proxy that `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` name for a host; raises ValueError as `parse_proxy`."""
    from urllib.request import getproxies_environment, proxy_bypass

    text = getproxies_environment().get("https" if tls else "http", "")
    return parse_proxy(text) if text and not proxy_bypass(host) else None


def _without_secret(text: str) -> str:
    return text.rpartition("@")[2]
