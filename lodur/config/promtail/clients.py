"""The `clients` (and the older `client`) of a Promtail file."""

from __future__ import annotations

import hashlib
from urllib.parse import SplitResult, urlsplit

from lodur.agent.delivery import Labels
from lodur.agent.label_text import print_labels, sort_labels
from lodur.agent.sinks.loki.http import OWN_HEADERS
from lodur.agent.sinks.loki.options import Backoff, LokiOptions
from lodur.config.client_auth import read_auth, read_tls
from lodur.config.kinds import BOOL, COUNT, POSITIVE, TEXT, TEXT_MAP, mask_url
from lodur.config.promtail.durations import GO_DURATION_S
from lodur.config.section import Section

PUSH_PATH = "/loki/api/v1/push"

_DEFAULTS = LokiOptions(name="", url="")


def read_clients(root: Section, flag_urls: tuple[str, ...], warnings: list[str]) -> tuple[LokiOptions, ...]:
    """All clients: the deprecated single one, the list, and those of flags."""
    sections = root.sections("clients", "client.raw")
    if root.has("client"):
        sections.insert(0, root.section("client", "client.raw"))
        warnings.append("client is deprecated, use clients")
    clients = [_read_client(section, warnings) for section in sections]
    for text in flag_urls:
        url, problem = repair_url(text, warnings)
        if problem:
            root.report(f"-client.url: {problem}")
        clients.append(LokiOptions(name=_default_name(url, "", ()), url=url))
    if not clients:
        root.report("at least one client config must be provided")
    names = [client.name for client in clients]
    for name in sorted({name for name in names if names.count(name) > 1}):
        root.report(f"duplicate client name: {name!r}, names must be unique", "clients")
    return tuple(clients)


def repair_url(text: str, warnings: list[str]) -> tuple[str, str]:
    """A push address with scheme and path, and what is wrong with it (empty when nothing is)."""
    if not text:
        return "", "url is missing, use the address of a push endpoint such as http://localhost:3100" + PUSH_PATH
    if "<" in text or ">" in text:
        return text, f"{mask_url(text)!r} still has a <placeholder>, write the name that it stands for"
    url = text if "://" in text else f"http://{text}"
    parts = _split_url(url)
    if parts is None:
        return text, f"{mask_url(text)!r} is not an http or https address"
    if parts.path in ("", "/"):
        url = parts._replace(path=PUSH_PATH).geturl()
    if url != text:
        warnings.append(f"client address {mask_url(text)} is not complete, using {mask_url(url)}")
    return url, ""


def _split_url(url: str) -> SplitResult | None:
    """The parts of an address that can be sent to; None for any other."""
    try:
        parts = urlsplit(url)
        # Reading the port checks it.
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 0) >= 0
    except ValueError:
        return None
    return parts if is_usable else None


def _read_client(section: Section, warnings: list[str]) -> LokiOptions:
    url, problem = repair_url(section.get("url", TEXT, ""), warnings)
    if problem:
        section.report(f"url: {problem}", "url")
    tenant_id = section.get("tenant_id", TEXT, "")
    external_labels = sort_labels(dict(section.get("external_labels", TEXT_MAP, ())))
    options = LokiOptions(
        name=section.get("name", TEXT, "") or _default_name(url, tenant_id, external_labels),
        url=url,
        batch_wait_s=section.get("batchwait", GO_DURATION_S, _DEFAULTS.batch_wait_s),
        batch_bytes=section.get("batchsize", POSITIVE, _DEFAULTS.batch_bytes),
        timeout_s=section.get("timeout", GO_DURATION_S, _DEFAULTS.timeout_s),
        backoff=_read_backoff(section),
        tenant_id=tenant_id,
        headers=_read_headers(section, warnings),
        external_labels=external_labels,
        drop_rate_limited=section.get("drop_rate_limited_batches", BOOL, False),
        auth=read_auth(section, refused=("username_file",)),
        proxy_url=section.get("proxy_url", TEXT, ""),
        follow_redirects=section.get("follow_redirects", BOOL, True),
        tls=read_tls(section),
    )
    section.refuse("stream_lag_labels", "no_proxy", "proxy_connect_header")
    section.require("proxy_from_environment", BOOL, False)
    if section.get("enable_http2", BOOL, False):
        warnings.append("no effect here: enable_http2 of a client, pushes go over HTTP/1.1")
    section.finish()
    return options


def _default_name(url: str, tenant_id: str, external_labels: Labels) -> str:
    text = f"{url} {tenant_id} {print_labels(external_labels)}"
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:6]


def _read_backoff(section: Section) -> Backoff:
    backoff = section.section("backoff_config", "backoff.Config")
    default = _DEFAULTS.backoff
    options = Backoff(
        min_period_s=backoff.get("min_period", GO_DURATION_S, default.min_period_s),
        max_period_s=backoff.get("max_period", GO_DURATION_S, default.max_period_s),
        max_tries=backoff.get("max_retries", COUNT, default.max_tries),
    )
    backoff.finish()
    return options


def _read_headers(section: Section, warnings: list[str]) -> tuple[tuple[str, str], ...]:
    headers = section.get("headers", TEXT_MAP, ())
    for name, value in headers:
        if name.lower() in OWN_HEADERS:
            warnings.append(f"header {name} of a client is set by the agent itself and stays")
        if not (name + value).isascii() or not (name + value).isprintable():
            section.report(f"headers: {name!r} has characters that a header cannot carry", "headers")
    return headers
