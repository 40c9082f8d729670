"""Where the server is and who asks: the options that every asking command shares.

They come from the command line, else from the environment, under Lodur's names first and logcli's second.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import click

from lodur.cli.tls import SYSTEM_TRUST, ClientTls
from lodur.cli.transport import AUTHORIZATION, DIRECT, Proxy, Transport, environment_proxy, parse_proxy

DEFAULT_ADDR = "http://127.0.0.1:3100"

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)


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
    transport: Transport = DIRECT

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
    transport: Transport = DIRECT,
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
    in_headers = (("--org-id", org_id), ("--bearer-token", bearer_token), ("--query-tags", transport.query_tags))
    for option, value in in_headers:
        if value and not (value.isascii() and value.isprintable()):
            raise click.BadParameter("holds characters that no header may hold", param_hint=option)
    if not _HEADER_NAME.fullmatch(transport.auth_header):
        raise click.BadParameter(f"'{transport.auth_header}' is no name of a header", param_hint="--auth-header")
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
        transport=transport,
    )


def _secret_in(path: str | None, option: str) -> str | None:
    if not path:
        return None
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"'{path}' cannot be read: {error}", param_hint=option) from error


def _proxy_value(ctx: click.Context, param: click.Parameter, value: str) -> Proxy | None:
    try:
        return parse_proxy(value) if value else None
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _header_values(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    for text in value:
        name, colon, content = (part.strip() for part in text.partition(":"))
        if not colon or not _HEADER_NAME.fullmatch(name) or not (content.isascii() and content.isprintable()):
            raise click.BadParameter(f"'{name}' is no header; give one like 'X-Name: value'")
        found.append((name, content))
    return tuple(found)


def _environment_proxy(addr: str) -> Proxy | None:
    parts = urlsplit(addr if "://" in addr else f"http://{addr}")
    try:
        return environment_proxy(parts.hostname or "", tls=parts.scheme == "https")
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--envproxy") from None


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
        "--password-file",
        metavar="FILE",
        envvar=["LODUR_PASSWORD_FILE", "LOKI_PASSWORD_FILE"],
        show_envvar=True,
        help="File that holds the password.",
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
    click.option(
        "--proxy-url",
        "proxy",
        metavar="URL",
        default="",
        callback=_proxy_value,
        envvar=["LODUR_HTTP_PROXY_URL", "LOKI_HTTP_PROXY_URL"],
        show_envvar=True,
        help="Reach the server through this HTTP proxy.",
    ),
    click.option(
        "--envproxy",
        is_flag=True,
        envvar=["LODUR_ENV_PROXY", "LOKI_ENV_PROXY"],
        show_envvar=True,
        help="Reach it through the proxy that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name.",
    ),
    click.option(
        "--header",
        "headers",
        metavar="'NAME: VALUE'",
        multiple=True,
        callback=_header_values,
        help="Send this header too; repeatable.",
    ),
    click.option(
        "--compress",
        is_flag=True,
        envvar=["LODUR_HTTP_COMPRESSION", "LOKI_HTTP_COMPRESSION"],
        show_envvar=True,
        help="Have answers compressed on their way.",
    ),
    click.option(
        "--retries",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        envvar=["LODUR_CLIENT_RETRIES", "LOKI_CLIENT_RETRIES"],
        show_envvar=True,
        help="Ask so many times more where the server is gone, busy or broken.",
    ),
    click.option(
        "--min-backoff",
        type=click.IntRange(min=0),
        default=0,
        envvar=["LODUR_CLIENT_MIN_BACKOFF", "LOKI_CLIENT_MIN_BACKOFF"],
        show_envvar=True,
        help="Seconds before the first retry; each next one waits twice as long.  [default: half a second]",
    ),
    click.option(
        "--max-backoff",
        type=click.IntRange(min=0),
        default=0,
        envvar=["LODUR_CLIENT_MAX_BACKOFF", "LOKI_CLIENT_MAX_BACKOFF"],
        show_envvar=True,
        help="Seconds that a retry waits at most.  [default: 30]",
    ),
    click.option(
        "--auth-header",
        metavar="NAME",
        default=AUTHORIZATION,
        show_default=True,
        envvar=["LODUR_AUTH_HEADER", "LOKI_AUTH_HEADER"],
        show_envvar=True,
        help="Header that carries the credentials.",
    ),
    click.option(
        "--query-tags",
        metavar="TAGS",
        default="",
        envvar=["LODUR_QUERY_TAGS", "LOKI_QUERY_TAGS"],
        show_envvar=True,
        help="Words for the server's log, such as Source=nightly (X-Query-Tags).",
    ),
    click.option(
        "--nocache",
        "no_cache",
        is_flag=True,
        envvar=["LODUR_NO_CACHE", "LOKI_NO_CACHE"],
        show_envvar=True,
        help="Have the server leave its caches of results aside (Cache-Control: no-cache).",
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
        password_file: str | None,
        bearer_token: str | None,
        bearer_token_file: str | None,
        ca_cert: str,
        cert: str,
        key: str,
        tls_skip_verify: bool,
        proxy: Proxy | None,
        envproxy: bool,
        headers: tuple[tuple[str, str], ...],
        compress: bool,
        retries: int,
        min_backoff: int,
        max_backoff: int,
        auth_header: str,
        query_tags: str,
        no_cache: bool,
        **others: object,
    ) -> None:
        token = bearer_token or _secret_in(bearer_token_file, "--bearer-token-file")
        secret = password or _secret_in(password_file, "--password-file")
        client_tls = ClientTls(ca_cert, cert, key, skip_verify=tls_skip_verify)
        transport = Transport(
            proxy=proxy or (_environment_proxy(addr) if envproxy else None),
            headers=headers,
            compress=compress,
            retries=retries,
            first_wait_s=min_backoff or DIRECT.first_wait_s,
            longest_wait_s=max_backoff or max(DIRECT.longest_wait_s, min_backoff),
            auth_header=auth_header,
            query_tags=query_tags,
            no_cache=no_cache,
        )
        connection = parse_connection(addr, org_id, username, secret, token, client_tls, transport)
        function(connection=connection, **others)

    decorated: Callable[..., None] = collect
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated
