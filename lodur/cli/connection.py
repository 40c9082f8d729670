"""Where the server is and who asks: the options that every asking command shares.

They come from the command line, else from the environment, under Lodur's names first and logcli's second.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

import click

DEFAULT_ADDR = "http://127.0.0.1:3100"


@dataclass(frozen=True, slots=True)
class Connection:
    """A server and the credentials to show it."""

    tls: bool
    host: str
    port: int
    path_prefix: str
    """Path before `/loki/api/v1`, without a slash at its end."""
    org_id: str | None = None
    username: str | None = None
    password: str | None = None
    bearer_token: str | None = None

    @property
    def url(self) -> str:
        """The server's address as a person would type it, without credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{self.path_prefix}"


def parse_connection(
    addr: str, org_id: str | None, username: str | None, password: str | None, bearer_token: str | None
) -> Connection:
    """Build a connection from the options' text; raises click.BadParameter where the address is none."""
    text = addr if "://" in addr else f"http://{addr}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise click.BadParameter(f"'{addr}' is not an address: {error}", param_hint="--addr") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.BadParameter(
            f"'{addr}' is not an address; give one like {DEFAULT_ADDR} or https://logs.example.org/prefix",
            param_hint="--addr",
        )
    if bearer_token and (username or parts.username):
        raise click.UsageError("give either --bearer-token or --username and --password, not both")
    for option, value in (("--org-id", org_id), ("--bearer-token", bearer_token)):
        if value and not (value.isascii() and value.isprintable()):
            raise click.BadParameter("holds characters that no header may hold", param_hint=option)
    tls = parts.scheme == "https"
    return Connection(
        tls=tls,
        host=parts.hostname,
        port=port if port is not None else (443 if tls else 80),
        path_prefix=quote(parts.path.rstrip("/"), safe="/%"),
        org_id=org_id or None,
        username=username or (unquote(parts.username) if parts.username else None),
        password=password or (unquote(parts.password) if parts.password else None),
        bearer_token=bearer_token or None,
    )


_OPTIONS = (
    click.option(
        "--addr",
        metavar="URL",
        default=DEFAULT_ADDR,
        show_default=True,
        envvar=["LODUR_ADDR", "LOKI_ADDR"],
        show_envvar=True,
        help="Where the server is.",
    ),
    click.option(
        "--org-id",
        metavar="TENANT",
        envvar=["LODUR_ORG_ID", "LOKI_ORG_ID"],
        show_envvar=True,
        help="Tenant to act for (X-Scope-OrgID).",
    ),
    click.option(
        "--username",
        metavar="NAME",
        envvar=["LODUR_USERNAME", "LOKI_USERNAME"],
        show_envvar=True,
        help="User name for basic authentication.",
    ),
    click.option(
        "--password",
        metavar="SECRET",
        envvar=["LODUR_PASSWORD", "LOKI_PASSWORD"],
        show_envvar=True,
        help="Password for basic authentication; better given in the environment.",
    ),
    click.option(
        "--bearer-token",
        metavar="TOKEN",
        envvar=["LODUR_BEARER_TOKEN", "LOKI_BEARER_TOKEN"],
        show_envvar=True,
        help="Token for bearer authentication; better given in the environment.",
    ),
)


def connection_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the connection's options to a command; it receives them as one `connection`."""

    @functools.wraps(function)
    def collect(
        *,
        addr: str,
        org_id: str | None,
        username: str | None,
        password: str | None,
        bearer_token: str | None,
        **others: object,
    ) -> None:
        function(connection=parse_connection(addr, org_id, username, password, bearer_token), **others)

    decorated: Callable[..., None] = collect
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated
