"""Where the server is and who asks: the options that every asking command shares.

They come from the command line, else from the environment, under Lodur's names first and logcli's second.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import click

from lodur.cli.tls import SYSTEM_TRUST, ClientTls

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
    client_tls: ClientTls = SYSTEM_TRUST

    @property
    def url(self) -> str:
        """The server's address as a person would type it, without credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{self.path_prefix}"


def parse_connection(
    addr: str,
    org_id: str | None,
    username: str | None,
    password: str | None,
    bearer_token: str | None,
    client_tls: ClientTls = SYSTEM_TRUST,
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
    if client_tls.key and not client_tls.cert:
        raise click.UsageError("--key needs the certificate that it belongs to: --cert")
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
        client_tls=client_tls,
    )


def _token_in(path: str | None) -> str | None:
    if not path:
        return None
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"'{path}' cannot be read: {error}", param_hint="--bearer-token-file") from error


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
    click.option(
        "--bearer-token-file",
        metavar="FILE",
        envvar=["LODUR_BEARER_TOKEN_FILE", "LOKI_BEARER_TOKEN_FILE"],
        show_envvar=True,
        help="File that holds the token.",
    ),
    click.option(
        "--ca-cert",
        metavar="FILE",
        default="",
        envvar=["LODUR_CA_CERT_PATH", "LOKI_CA_CERT_PATH"],
        show_envvar=True,
        help="Authorities that sign for the server (PEM).",
    ),
    click.option(
        "--cert",
        metavar="FILE",
        default="",
        envvar=["LODUR_CLIENT_CERT_PATH", "LOKI_CLIENT_CERT_PATH"],
        show_envvar=True,
        help="Certificate to show the server (PEM).",
    ),
    click.option(
        "--key",
        metavar="FILE",
        default="",
        envvar=["LODUR_CLIENT_KEY_PATH", "LOKI_CLIENT_KEY_PATH"],
        show_envvar=True,
        help="Its private key (PEM), where it has a file of its own.",
    ),
    click.option(
        "--tls-skip-verify",
        is_flag=True,
        envvar=["LODUR_TLS_SKIP_VERIFY", "LOKI_TLS_SKIP_VERIFY"],
        show_envvar=True,
        help="Talk to whoever answers: the server's certificate is not checked.",
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
        bearer_token_file: str | None,
        ca_cert: str,
        cert: str,
        key: str,
        tls_skip_verify: bool,
        **others: object,
    ) -> None:
        token = bearer_token or _token_in(bearer_token_file)
        client_tls = ClientTls(ca_cert, cert, key, skip_verify=tls_skip_verify)
        function(connection=parse_connection(addr, org_id, username, password, token, client_tls), **others)

    decorated: Callable[..., None] = collect
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated
