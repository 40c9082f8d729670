"""Print the agent's options as a Promtail file again (`-print-config-stderr`), without secrets."""

from __future__ import annotations

import yaml

from lodur.agent.options import AgentOptions
from lodur.agent.sinks.loki.options import LokiOptions
from lodur.agent.sources.file.options import FileSourceOptions
from lodur.config.kinds import MASK, mask_url
from lodur.model.durations import NS_PER_S, format_go_duration

_Yaml = dict[str, object]


def render_agent(options: AgentOptions) -> str:
    """The options in force, defaults included."""
    document: _Yaml = {}
    if options.server is not None:
        document["server"] = {
            "http_listen_address": options.server.host,
            "http_listen_port": options.server.port,
            "health_check_target": options.server.needs_files,
            "log_level": options.log_level,
            "log_format": options.log_format,
        }
    document["clients"] = [_client(client) for client in options.clients]
    document["positions"] = {
        "filename": str(options.positions.path),
        "sync_period": _duration(options.positions.sync_period_s),
        "ignore_invalid_yaml": options.positions.ignore_invalid,
    }
    document["scrape_configs"] = [_job(source) for source in options.sources]
    if options.sources:
        document["target_config"] = {"sync_period": _duration(options.sources[0].rescan_period_s)}
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _client(client: LokiOptions) -> _Yaml:
    document: _Yaml = {
        "name": client.name,
        "url": mask_url(client.url),
        "batchwait": _duration(client.batch_wait_s),
        "batchsize": client.batch_bytes,
        "timeout": _duration(client.timeout_s),
        "backoff_config": {
            "min_period": _duration(client.backoff.min_period_s),
            "max_period": _duration(client.backoff.max_period_s),
            "max_retries": client.backoff.max_tries,
        },
        "follow_redirects": client.follow_redirects,
        "drop_rate_limited_batches": client.drop_rate_limited,
    }
    if client.tenant_id:
        document["tenant_id"] = client.tenant_id
    if client.external_labels:
        document["external_labels"] = dict(client.external_labels)
    if client.headers:
        document["headers"] = dict.fromkeys((name for name, _ in client.headers), MASK)
    if client.auth is not None:
        document["authorization"] = MASK
    if client.proxy_url:
        document["proxy_url"] = mask_url(client.proxy_url)
    return document


def _job(source: FileSourceOptions) -> _Yaml:
    document: _Yaml = {"job_name": source.job_name}
    if source.decompression is not None:
        document["decompression"] = {
            "enabled": True,
            "format": source.decompression.compression.value,
            "initial_delay": _duration(source.decompression.initial_delay_s),
        }
    groups: list[_Yaml] = []
    for target in source.targets:
        labels = {**dict(target.labels), "__path__": target.path.pattern}
        if target.exclude is not None:
            labels["__path_exclude__"] = target.exclude.pattern
        groups.append({"targets": ["localhost"], "labels": labels})
    document["static_configs"] = groups
    return document


def _duration(seconds: float) -> str:
    return format_go_duration(round(seconds * NS_PER_S))
