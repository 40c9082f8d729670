"""Clients of the ruler as Loki's and Prometheus' files have them: remote write, Alertmanager, relabelling.

Their keys are Prometheus', so they are read one by one (see `Section`), not declared.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast, get_args
from urllib.parse import urlsplit

from lodur.config.client_auth import is_url, read_auth, read_oauth2, read_secret, read_sigv4, read_tls
from lodur.config.errors import BadValue, Problem
from lodur.config.kinds import (
    BOOL,
    COUNT,
    DURATION,
    MASK,
    POSITIVE,
    POSITIVE_DURATION,
    SECRET,
    TEXT,
    TEXT_MAP,
    TEXTS,
    Kind,
    choice,
    mask_url,
    wrong_type,
)
from lodur.config.section import Section
from lodur.config.yaml_nodes import (
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
    YamlError,
    is_null,
    parse_yaml,
    scalar,
)
from lodur.model.durations import NS_PER_S
from lodur.model.errors import InvalidRequest
from lodur.query.evaluate.relabel import replace_values
from lodur.ruler.discovery import is_service_name
from lodur.ruler.options import (
    AlertmanagerOptions,
    HttpOptions,
    RelabelAction,
    RelabelRule,
    RemoteWriteClient,
)
from lodur.wire.client_auth import Auth, BasicAuth, HeaderAuth, Secret, Tls

T = TypeVar("T")

SINGLE_CLIENT = "default"
"""The name of the client that stands alone, in `remote_write.client`."""

_SECRET_KEYS = frozenset(
    {"password", "credentials", "bearer_token", "secret_key", "client_secret", "basic_auth_password"}
)
_ACTIONS = choice(*get_args(RelabelAction))
_HTTP = HttpOptions()


def alertmanager_urls(text: str) -> tuple[str, ...]:
    """The addresses of a list with commas. Raises BadValue."""
    urls = tuple(part.strip() for part in text.split(",") if part.strip())
    for url in urls:
        if not is_url(url):
            raise BadValue(Problem(0, f"{mask_url(url)!r} is not an http or https address"))
    return urls


def _parse_client(node: Node) -> RemoteWriteClient:
    return _read(node, "config.RemoteWriteConfig", lambda section: _client(section, SINGLE_CLIENT))


def _parse_clients(node: Node) -> tuple[RemoteWriteClient, ...]:
    if not isinstance(node, MappingNode):
        raise wrong_type(node, "map[string]config.RemoteWriteConfig", "use a map from names to clients")

    def one(name: str) -> Callable[[Section], RemoteWriteClient]:
        return lambda section: _client(section, name)

    return tuple(_read(value, "config.RemoteWriteConfig", one(key.text)) for key, value in node.entries)


def _parse_alertmanager(node: Node) -> AlertmanagerOptions | None:
    if is_null(node) or (isinstance(node, MappingNode) and not node.entries):
        return None
    return _read(node, "config.AlertManagerConfig", _alertmanager)


def _parse_relabel(node: Node) -> tuple[RelabelRule, ...]:
    if not isinstance(node, SequenceNode):
        raise wrong_type(node, "[]*relabel.Config", "use a list")
    return tuple(_read(item, "relabel.Config", _relabel_rule) for item in node.items)


def _read(node: Node, type_name: str, build: Callable[[Section], T]) -> T:
    problems: list[Problem] = []
    section = Section(node, type_name, problems)
    value = build(section)
    section.finish()
    if problems:
        raise BadValue(*problems)
    return value


def _client(section: Section, name: str) -> RemoteWriteClient:
    given: set[str] = set()

    def get(key: str, field: str, kind: Kind[T], default: T) -> T:
        if section.has(key):
            given.add(field)
        return section.get(key, kind, default)

    default = RemoteWriteClient(name, "")
    url = get("url", "url", SECRET, "")
    timeout_ns = get("remote_timeout", "timeout_s", DURATION, int(default.http.timeout_s * NS_PER_S))
    if url and not is_url(url):
        section.report(f"url: {mask_url(url)!r} is not an http or https address", "url")
    queue = section.section("queue_config", "config.QueueConfig")
    client = RemoteWriteClient(
        name=name,
        url=url,
        http=_http(section, timeout_ns, given),
        relabel=_relabel_rules(section, "write_relabel_configs", given),
        samples_per_send_max=queue.get("max_samples_per_send", POSITIVE, default.samples_per_send_max),
        batch_wait_s=queue.get("batch_send_deadline", DURATION, int(default.batch_wait_s * NS_PER_S)) / NS_PER_S,
        backoff_min_s=queue.get("min_backoff", DURATION, int(default.backoff_min_s * NS_PER_S)) / NS_PER_S,
        backoff_max_s=queue.get("max_backoff", DURATION, int(default.backoff_max_s * NS_PER_S)) / NS_PER_S,
        retry_rate_limited=queue.get("retry_on_http_429", BOOL, default.retry_rate_limited),
        given=frozenset(given | _queue_given(queue)),
    )
    # How many requests go at a time is not for an operator to say here: samples of a client are sent in order.
    for key in ("capacity", "max_shards", "min_shards", "sample_age_limit"):
        queue.has(key)
    queue.finish()
    for key in (
        "name",
        "send_exemplars",
        "send_native_histograms",
        "metadata_config",
        "enable_http2",
        "round_robin_dns",
    ):
        section.has(key)
    section.refuse("azuread", "google_iam", "no_proxy", "proxy_connect_header")
    section.require("proxy_from_environment", BOOL, False)
    return client


def _queue_given(queue: Section) -> set[str]:
    fields = {
        "max_samples_per_send": "samples_per_send_max",
        "batch_send_deadline": "batch_wait_s",
        "min_backoff": "backoff_min_s",
        "max_backoff": "backoff_max_s",
        "retry_on_http_429": "retry_rate_limited",
    }
    return {field for key, field in fields.items() if queue.has(key)}


def _http(section: Section, timeout_ns: int, given: set[str]) -> HttpOptions:
    auth = read_auth(section, signs=True)
    keys = {"headers": "headers", "tls_config": "tls", "proxy_url": "proxy_url", "follow_redirects": "follow_redirects"}
    given |= {field for key, field in keys.items() if section.has(key)}
    if auth is not None:
        given.add("auth")
    return HttpOptions(
        timeout_s=timeout_ns / NS_PER_S,
        headers=section.get("headers", TEXT_MAP, ()),
        auth=auth,
        tls=read_tls(section),
        proxy_url=section.get("proxy_url", SECRET, ""),
        follow_redirects=section.get("follow_redirects", BOOL, True),
    )


def _alertmanager(section: Section) -> AlertmanagerOptions:
    default = AlertmanagerOptions()
    timeout_ns = section.get("notification_timeout", DURATION, int(default.http.timeout_s * NS_PER_S))
    try:
        urls = alertmanager_urls(section.get("alertmanager_url", SECRET, ""))
    except BadValue as error:
        urls = ()
        section.report(str(error), "alertmanager_url")
    client = section.section("alertmanager_client", "ruler.NotifierConfig")
    options = AlertmanagerOptions(
        urls=urls,
        http=notifier_http(client, timeout_ns),
        queue_alerts_max=section.get("notification_queue_capacity", POSITIVE, default.queue_alerts_max),
        discovers=section.get("enable_alertmanager_discovery", BOOL, False),
        refresh_s=section.get("alertmanager_refresh_interval", POSITIVE_DURATION, int(default.refresh_s * NS_PER_S))
        / NS_PER_S,
    )
    client.finish()
    section.has("enable_alertmanager_v2")
    if problem := discovery_problem(options):
        section.report(problem, "alertmanager_url")
    section.refuse("alert_relabel_configs")
    return options


def discovery_problem(options: AlertmanagerOptions) -> str:
    """What is wrong with names that are to be looked up; nothing is the empty text."""
    for url in options.urls if options.discovers else ():
        host = urlsplit(url).hostname or ""
        if not is_service_name(host):
            return f"alertmanager discovery needs a host like _web._tcp.alertmanager.example, not {host!r}"
    return ""


def notifier_http(client: Section, timeout_ns: int) -> HttpOptions:
    """How requests to Alertmanagers are made, by the keys of `alertmanager_client`."""
    user, password = client.get("basic_auth_username", TEXT, ""), client.get("basic_auth_password", SECRET, "")
    credentials = read_secret(client, "credentials")
    scheme = client.get("type", TEXT, "") or "Bearer"
    has_credentials = bool(credentials.text or credentials.file)
    if sum((bool(user), has_credentials, client.has("oauth2"), client.has("sigv4"))) > 1:
        client.report("at most one of basic_auth_username, credentials, oauth2 and sigv4 must be configured")
    auth: Auth | None = None
    if user:
        auth = BasicAuth(user, Secret(password))
    elif has_credentials:
        auth = HeaderAuth(scheme, credentials)
    elif client.has("oauth2"):
        auth = read_oauth2(client)
    elif client.has("sigv4"):
        auth = read_sigv4(client, os.environ, Path.home())
    files = [client.get(f"tls_{name}_path", TEXT, "") for name in ("ca", "cert", "key")]
    ca_file, cert_file, key_file = (Path(text) if text else None for text in files)
    if (cert_file is None) != (key_file is None):
        client.report("tls_cert_path and tls_key_path must be configured together")
    tls = Tls(
        ca_file,
        cert_file,
        key_file,
        client.get("tls_server_name", TEXT, ""),
        client.get("tls_insecure_skip_verify", BOOL, False),
    )
    client.refuse("tls_min_version", "tls_cipher_suites")
    return HttpOptions(timeout_s=timeout_ns / NS_PER_S, auth=auth, tls=tls)


def _relabel_rules(section: Section, name: str, given: set[str]) -> tuple[RelabelRule, ...]:
    if not section.has(name):
        return ()
    given.add("relabel")
    rules: list[RelabelRule] = []
    for item in section.sections(name, "relabel.Config"):
        rules.append(_relabel_rule(item))
        item.finish()
    return tuple(rules)


def _relabel_rule(section: Section) -> RelabelRule:
    default = RelabelRule()
    # The kind takes no other words than those of the type.
    action = cast(RelabelAction, section.get("action", _ACTIONS, default.action).lower())
    rule = RelabelRule(
        action=action,
        source_labels=section.get("source_labels", TEXTS, ()),
        separator=section.get("separator", TEXT, default.separator),
        regex=section.get("regex", TEXT, default.regex),
        modulus=section.get("modulus", COUNT, 0),
        target_label=section.get("target_label", TEXT, ""),
        replacement=section.get("replacement", TEXT, default.replacement),
    )
    needs_target = action in ("replace", "hashmod", "lowercase", "uppercase", "keepequal", "dropequal")
    if needs_target and not rule.target_label:
        section.report(f"relabel configuration for {action} action requires 'target_label' value")
    if action == "hashmod" and not rule.modulus:
        section.report("relabel configuration for hashmod requires non-zero modulus", "modulus")
    try:
        replace_values([], rule.regex, rule.replacement)
    except InvalidRequest as error:
        section.report(f"regex: {error}", "regex")
    return rule


def _masked(node: Node) -> Node:
    """The node without secrets: passwords, tokens, values of headers, credentials in addresses."""
    match node:
        case MappingNode(entries=entries, line=line):
            return MappingNode(tuple((key, _masked_entry(key.text, value)) for key, value in entries), line)
        case SequenceNode(items=items, line=line):
            return SequenceNode(tuple(map(_masked, items)), line)
        case ScalarNode():
            return node


def _masked_entry(key: str, value: Node) -> Node:
    if key in _SECRET_KEYS and isinstance(value, ScalarNode):
        return scalar(MASK) if value.text else value
    if key in ("headers", "endpoint_params") and isinstance(value, MappingNode):
        return MappingNode(tuple((name, scalar(MASK)) for name, _ in value.entries), value.line)
    if key in ("url", "proxy_url", "token_url", "alertmanager_url") and isinstance(value, ScalarNode):
        return scalar(",".join(mask_url(part.strip()) for part in value.text.split(",")))
    return _masked(value)


def _flow_node(text: str) -> Node:
    try:
        return parse_yaml(text) or scalar("")
    except YamlError as error:
        raise BadValue(Problem(0, error.problem)) from error


REMOTE_WRITE_CLIENT = Kind("remote write client", _parse_client, _flow_node, _masked)
REMOTE_WRITE_CLIENTS = Kind("map of remote write clients", _parse_clients, _flow_node, _masked)
ALERTMANAGER = Kind("Alertmanager", _parse_alertmanager, _flow_node, _masked)
RELABEL_RULES = Kind("list of relabel rules", _parse_relabel, _flow_node)


def _parse_notifier(node: Node) -> HttpOptions:
    return _read(node, "ruler.NotifierConfig", lambda section: notifier_http(section, int(_HTTP.timeout_s * NS_PER_S)))


NOTIFIER = Kind("Alertmanager client", _parse_notifier, _flow_node, _masked)


def _parse_urls(node: Node) -> tuple[str, ...]:
    try:
        return alertmanager_urls(SECRET.parse(node))
    except BadValue as error:
        raise BadValue(*(Problem(node.line, problem.text) for problem in error.problems)) from error


def _masked_urls(node: Node) -> Node:
    return _masked_entry("alertmanager_url", node)


ALERTMANAGER_URLS = Kind("URLs with commas", _parse_urls, scalar, _masked_urls)
