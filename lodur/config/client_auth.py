"""Authentication and TLS of HTTP clients with Prometheus' keys, as Promtail's and the ruler's files have them."""

from __future__ import annotations

from pathlib import Path

from lodur.config.kinds import BOOL, SECRET, TEXT
from lodur.config.section import Section
from lodur.wire.client_auth import Auth, BasicAuth, HeaderAuth, Secret, Tls


def read_auth(section: Section, *, refused: tuple[str, ...] = ()) -> Auth | None:
    """What `section` says; `refused` are keys of `basic_auth` that are known and not to be had."""
    kinds = [name for name in ("basic_auth", "authorization", "bearer_token", "bearer_token_file") if section.has(name)]
    if len(kinds) > 1:
        section.report(f"at most one of basic_auth, authorization, bearer_token and bearer_token_file, not {kinds}")
    basic = section.section("basic_auth", "config.BasicAuth")
    authorization = section.section("authorization", "config.Authorization")
    password = read_secret(basic, "password")
    username = basic.get("username", TEXT, "")
    basic.refuse(*refused)
    credentials = read_secret(authorization, "credentials")
    scheme = authorization.get("type", TEXT, "Bearer")
    bearer = read_secret(section, "bearer_token")
    basic.finish()
    authorization.finish()
    match kinds[:1]:
        case ["basic_auth"]:
            return BasicAuth(username, password)
        case ["authorization"]:
            return HeaderAuth(scheme, credentials)
        case ["bearer_token" | "bearer_token_file"]:
            return HeaderAuth("Bearer", bearer)
        case _:
            return None


def read_secret(section: Section, name: str) -> Secret:
    """The secret of a key, or of the file that the key with `_file` behind it names."""
    text, file = section.get(name, SECRET, ""), section.get(f"{name}_file", TEXT, "")
    if text and file:
        section.report(f"at most one of {name} and {name}_file must be configured", name)
    return Secret(text, Path(file) if file else None)


def read_tls(section: Section) -> Tls:
    """The `tls_config` of a section."""
    tls = section.section("tls_config", "config.TLSConfig")
    files = [tls.get(name, TEXT, "") for name in ("ca_file", "cert_file", "key_file")]
    ca_file, cert_file, key_file = (Path(text) if text else None for text in files)
    options = Tls(
        ca_file=ca_file,
        cert_file=cert_file,
        key_file=key_file,
        server_name=tls.get("server_name", TEXT, ""),
        insecure_skip_verify=tls.get("insecure_skip_verify", BOOL, False),
    )
    if (cert_file is None) != (key_file is None):
        tls.report("cert_file and key_file must be configured together")
    tls.refuse("min_version", "max_version", "ca", "cert", "key")
    tls.finish()
    return options
