"""Build the agent's options out of a Promtail file.

As strict as Promtail: unknown and repeated keys are errors. What this agent does not do yet is an error too, never left
out in silence; what cannot matter here gives a warning. Start at `build_agent`.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lodur.agent.options import AgentOptions, PositionsOptions, ServerOptions
from lodur.config.errors import ConfigError, Problem
from lodur.config.kinds import BOOL, COUNT, FLOAT, PORT, TEXT, choice
from lodur.config.promtail.clients import read_clients
from lodur.config.promtail.durations import GO_DURATION_S
from lodur.config.promtail.scrape import ScrapeDefaults, read_scrape_configs
from lodur.config.section import Section
from lodur.config.yaml_nodes import YamlError, parse_yaml

_NO_EFFECT_SERVER_KEYS = (
    "grpc_listen_address",
    "grpc_listen_port",
    "grpc_server_max_recv_msg_size",
    "grpc_server_max_send_msg_size",
    "grpc_server_max_concurrent_streams",
    "register_instrumentation",
    "graceful_shutdown_timeout",
    "http_server_read_timeout",
    "http_server_write_timeout",
    "http_server_idle_timeout",
)
"""Read by many published files, without meaning here: there is no gRPC server, and the pages are small."""


@dataclass(slots=True)
class Findings:
    """What was found on the way through a file."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LoadedAgent:
    """The options, and what the operator should hear at start."""

    options: AgentOptions
    warnings: tuple[str, ...]


def build_agent(text: str, *, name: str, environ: Mapping[str, str], client_urls: tuple[str, ...] = ()) -> LoadedAgent:
    """The options of the file `name` with this text, and of clients added by flag. Raises ConfigError."""
    findings = Findings()
    try:
        root = Section(parse_yaml(text), "config.Config", findings.problems)
    except YamlError as error:
        raise ConfigError(f"{name}: yaml: line {error.line}: {error.problem}") from error
    options = _read_root(root, environ, client_urls, findings)
    root.finish()
    if findings.problems:
        lines = "".join(
            f"\n  line {problem.line}: {problem.text}" if problem.line else f"\n  {problem.text}"
            for problem in sorted(set(findings.problems))
        )
        raise ConfigError(f"{name}: yaml: unmarshal errors:{lines}")
    return LoadedAgent(options, tuple(findings.warnings))


def _read_root(
    root: Section, environ: Mapping[str, str], client_urls: tuple[str, ...], findings: Findings
) -> AgentOptions:
    watch = root.section("global", "config.GlobalConfig")
    poll = watch.section("file_watch_config", "file.WatchConfig")
    poll_period_s = poll.get("min_poll_frequency", GO_DURATION_S, 0.25)
    poll.get("max_poll_frequency", GO_DURATION_S, 0.25)
    poll.finish()
    watch.finish()
    target = root.section("target_config", "file.Config")
    rescan_period_s = target.get("sync_period", GO_DURATION_S, 10.0)
    target.require("stdin", BOOL, False)
    target.finish()
    _refuse_unsupported(root)
    clients = read_clients(root, client_urls, findings.warnings)
    chunk_bytes = min((client.batch_bytes for client in clients), default=2**20)
    defaults = ScrapeDefaults(rescan_period_s, poll_period_s, chunk_bytes, _host_name(environ))
    server = root.section("server", "server.Config")
    has_server = root.has("server")
    server_options, log_level, log_format = _read_server(server, findings)
    return AgentOptions(
        clients=clients,
        sources=read_scrape_configs(root, defaults, findings.warnings),
        positions=_read_positions(root),
        server=server_options if has_server else None,
        log_level=log_level,
        log_format=log_format,
    )


def _refuse_unsupported(root: Section) -> None:
    limits = root.section("limits_config", "limit.Config")
    limits.require("readline_rate_enabled", BOOL, False)
    limits.get("readline_rate", FLOAT, 0.0)
    limits.get("readline_burst", COUNT, 0)
    limits.get("readline_rate_drop", BOOL, True)
    limits.require("max_streams", COUNT, 0)
    limits.require("max_line_size", COUNT, 0)
    limits.require("max_line_size_truncate", BOOL, False)
    limits.finish()
    for name, type_name in (("tracing", "tracing.Config"), ("wal", "wal.Config")):
        block = root.section(name, type_name)
        block.require("enabled", BOOL, False)
        block.refuse("dir", "cleanSegmentsOlderThan", "watchConfig")
        block.finish()
    options = root.section("options", "config.Options")
    options.refuse("stream_lag_labels")
    options.finish()


def _read_server(server: Section, findings: Findings) -> tuple[ServerOptions | None, str, str]:
    options = ServerOptions(
        host=server.get("http_listen_address", TEXT, "") or "0.0.0.0",
        port=server.get("http_listen_port", PORT, 80),
        needs_files=server.get("health_check_target", BOOL, True),
    )
    is_disabled = server.get("disable", BOOL, False)
    log_level = server.get("log_level", choice("debug", "info", "warn", "error"), "info")
    log_format = server.get("log_format", choice("logfmt", "json"), "logfmt")
    server.require("profiling_enabled", BOOL, False)
    server.require("enable_runtime_reload", BOOL, False)
    server.refuse("http_path_prefix", "external_url", "http_tls_config", "grpc_tls_config")
    unused = [name for name in _NO_EFFECT_SERVER_KEYS if server.has(name)]
    if unused:
        findings.warnings.append(f"no effect here: server.{', server.'.join(unused)}")
    server.finish()
    return None if is_disabled else options, log_level, log_format


def _read_positions(root: Section) -> PositionsOptions:
    section = root.section("positions", "positions.Config")
    default = PositionsOptions()
    options = PositionsOptions(
        path=Path(section.get("filename", TEXT, str(default.path))),
        sync_period_s=section.get("sync_period", GO_DURATION_S, default.sync_period_s),
        ignore_invalid=section.get("ignore_invalid_yaml", BOOL, False),
    )
    section.finish()
    return options


def _host_name(environ: Mapping[str, str]) -> str:
    return environ.get("HOSTNAME") or socket.gethostname()
