"""Authentication and TLS of HTTP clients with Prometheus' keys, as Promtail's and the ruler's files have them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from lodur.config.kinds import BOOL, SECRET, TEXT, TEXT_MAP, TEXTS
from lodur.config.section import Section
from lodur.model.errors import InvalidRequest
from lodur.store.aws_profiles import find_profile
from lodur.wire.client_auth import Auth, BasicAuth, HeaderAuth, OAuth2, Secret, SigV4, Tls

HEADER_KINDS = ("basic_auth", "authorization", "bearer_token", "bearer_token_file")


def read_auth(section: Section, *, refused: tuple[str, ...] = (), signs: bool = False) -> Auth | None:
    """What `section` says; `refused` are keys of `basic_auth` that are known and not to be had.

    `signs` says that `sigv4` is a key of the section.
    """
    known = (*HEADER_KINDS, "oauth2", *(("sigv4",) if signs else ()))
    kinds = [name for name in known if section.has(name)]
    if len(kinds) > 1:
        section.report(f"at most one of {', '.join(known[:-1])} and {known[-1]}, not {kinds}")
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
    if kinds[:1] == ["oauth2"]:
        return read_oauth2(section)
    if kinds[:1] == ["sigv4"]:
        return read_sigv4(section, os.environ, Path.home())
    match kinds[:1]:
        case ["basic_auth"]:
            return BasicAuth(username, password)
        case ["authorization"]:
            return HeaderAuth(scheme, credentials)
        case ["bearer_token" | "bearer_token_file"]:
            return HeaderAuth("Bearer", bearer)
        case _:
            return None


def read_oauth2(section: Section) -> OAuth2:
    """The `oauth2` of a section."""
    oauth2 = section.section("oauth2", "config.OAuth2")
    token_url = oauth2.get("token_url", SECRET, "")
    options = OAuth2(
        client_id=oauth2.get("client_id", TEXT, ""),
        client_secret=read_secret(oauth2, "client_secret"),
        token_url=token_url,
        scopes=oauth2.get("scopes", TEXTS, ()),
        endpoint_params=oauth2.get("endpoint_params", TEXT_MAP, ()),
        tls=read_tls(oauth2),
        proxy_url=oauth2.get("proxy_url", SECRET, ""),
    )
    if not options.client_id:
        oauth2.report("oauth2 client_id must be configured", "client_id")
    if not token_url:
        oauth2.report("oauth2 token_url must be configured", "token_url")
    elif not is_url(token_url):
        oauth2.report("token_url is not an http or https address", "token_url")
    oauth2.refuse("client_secret_ref", "no_proxy", "proxy_connect_header", "client_certificate_key")
    oauth2.require("proxy_from_environment", BOOL, False)
    oauth2.finish()
    return options


def read_sigv4(section: Section, environ: Mapping[str, str], home: Path) -> SigV4:
    """The `sigv4` of a section. Keys that it does not give are those of the environment, or of a profile's files."""
    sigv4 = section.section("sigv4", "sigv4.SigV4Config")
    region = sigv4.get("region", TEXT, "")
    access_key, secret_key = sigv4.get("access_key", TEXT, ""), sigv4.get("secret_key", SECRET, "")
    profile = sigv4.get("profile", TEXT, "")
    service = sigv4.get("service_name", TEXT, "") or "aps"
    if sigv4.get("role_arn", TEXT, ""):
        sigv4.report("role_arn is not supported: no role is assumed, give keys that may write", "role_arn")
    # It says where a role would be asked for.
    sigv4.has("use_fips_sts_endpoint")
    sigv4.finish()
    region = region or environ.get("AWS_REGION", "") or environ.get("AWS_DEFAULT_REGION", "")
    session_token = ""
    if bool(access_key) != bool(secret_key):
        sigv4.report("sigv4 needs access_key and secret_key together, or neither")
    elif not access_key:
        try:
            access_key, secret_key, session_token, profile_region = _aws_keys(profile, environ, home)
        except InvalidRequest as error:
            sigv4.report(f"sigv4: {error}", "profile")
        else:
            region = region or profile_region
    if not region:
        sigv4.report("region not configured in sigv4 or in default credentials chain")
    return SigV4(region, access_key, Secret(secret_key), Secret(session_token), service)


def _aws_keys(profile: str, environ: Mapping[str, str], home: Path) -> tuple[str, str, str, str]:
    """Access key, secret key, session token and region that the environment or its files have."""
    if not profile and environ.get("AWS_ACCESS_KEY_ID"):
        key, secret = environ["AWS_ACCESS_KEY_ID"], environ.get("AWS_SECRET_ACCESS_KEY", "")
        return key, secret, environ.get("AWS_SESSION_TOKEN", ""), ""
    found = find_profile({**environ, "AWS_PROFILE": profile} if profile else environ, home)
    if found is None or not found.access_key_id:
        raise InvalidRequest("no access_key, no AWS_ACCESS_KEY_ID in the environment, and no profile that has one")
    return found.access_key_id, found.secret_access_key, found.session_token, found.region


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


def is_url(text: str) -> bool:
    """The text is an http or https address."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 0) >= 0
    except ValueError:
        return False
