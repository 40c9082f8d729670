"""`lodur.access` and TLS: what they become, and what is refused rather than promised."""

from __future__ import annotations

from pathlib import Path

import pytest

from lodur.api.access.options import AccessOptions, Grant, Right
from lodur.api.options import TlsOptions
from lodur.config.errors import ConfigError
from lodur.config.loading import load_server_config
from lodur.config.server_config import ServerConfig
from lodur.model.tenant import TenantId


def load(directory: Path, text: str) -> ServerConfig:
    (directory / "config.yaml").write_text(text)
    return load_server_config([], {}, directory).config


def test_access_is_off_where_nobody_says_otherwise(tmp_path: Path) -> None:
    assert load(tmp_path, "auth_enabled: true").access is None


def test_users_and_their_tenants(tmp_path: Path) -> None:
    text = """
lodur:
  access:
    htpasswd_file: secrets/htpasswd
    tokens_file: /etc/tokens
    metrics_open: true
    users_file: users.yaml
    users:
      one: {tenants: [a], rights: [read, write]}
      two: {tenants: [a, b], default_tenant: b, rights: [read]}
      all: {tenants: ["*"], rights: [admin]}
      none: {}
"""
    a, b = TenantId("a"), TenantId("b")
    assert load(tmp_path, text).access == AccessOptions(
        htpasswd_file=tmp_path / "secrets" / "htpasswd",
        tokens_file=Path("/etc/tokens"),
        metrics_open=True,
        users_file=tmp_path / "users.yaml",
        grants={
            "one": Grant(frozenset({Right.READ, Right.WRITE}), frozenset({a}), default_tenant=a),
            "two": Grant(frozenset({Right.READ}), frozenset({a, b}), default_tenant=b),
            "all": Grant(frozenset({Right.ADMIN}), every_tenant=True),
            "none": Grant(),
        },
    )


@pytest.mark.parametrize(
    ("access", "text"),
    [
        ("{users: {x: {rights: [read]}}}", "users need htpasswd_file or tokens_file"),
        ("{htpasswd_file: x}", "nobody may do anything"),
        ("{htpasswd_file: x, users: {x: {rights: [reed]}}}", "unrecognized right 'reed', use some of read, write"),
        ("{htpasswd_file: x, users: {x: {tenants: [a/b]}}}", "contains unsupported character '/'"),
        ("{htpasswd_file: x, users: {x: {tenants: [a], default_tenant: b}}}", "'b' is not one of tenants"),
        ("{htpasswd_file: x, users: {x: {tenant: a}}}", "field tenant not found"),
        ("{htpasswd_file: x, users: {x: {}}, realm: 'a\"b'}", "realm must be"),
        ("{htpasswd_file: x, users: {x: {}}, realm: \"a\\nb\"}", "realm must be"),
        ("{htpasswd: x}", "field htpasswd not found"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_users(tmp_path: Path, access: str, text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, f"lodur: {{access: {access}}}")
    assert text in str(refused.value)


def tls(client_auth: str, *, client_ca: str = "ca.pem", version: str = "") -> str:
    files = f"cert_file: c.pem, key_file: k.pem, client_auth_type: {client_auth}, client_ca_file: {client_ca}"
    return f"server: {{tls_min_version: '{version}', http_tls_config: {{{files}}}}}"


def test_kinds_of_client_authentication(tmp_path: Path) -> None:
    files = Path("c.pem"), Path("k.pem")
    assert load(tmp_path, tls("", client_ca="''")).server.tls == TlsOptions(*files)
    given = load(tmp_path, tls("VerifyClientCertIfGiven")).server.tls
    assert given == TlsOptions(*files, Path("ca.pem"))
    required = load(tmp_path, tls("RequireAndVerifyClientCert", version="VersionTLS13")).server.tls
    assert required == TlsOptions(*files, Path("ca.pem"), client_cert_required=True, min_version="tls1.3")


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (tls("RequestClientCert"), "RequestClientCert would accept certificates of anybody"),
        (tls("RequireAnyClientCert"), "RequireAnyClientCert would accept certificates of anybody"),
        (tls("NoClientCert"), "client_ca_file has no effect without client_auth_type"),
        (tls("''"), "client_ca_file has no effect without client_auth_type"),
        (tls("VerifyClientCertIfGiven", client_ca="''"), "client_auth_type needs client_ca_file"),
        (tls("Whatever"), "unrecognized value 'Whatever'"),
        (tls("", client_ca="''", version="VersionTLS11"), "VersionTLS11 is not spoken any more"),
    ],
)
def test_what_tls_cannot_keep_is_not_promised(tmp_path: Path, config: str, text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, config)
    assert text in str(refused.value)
