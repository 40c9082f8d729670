"""`lodur serve`: from the command line to a running server, and what else the command line can ask for.

Start at `run`.
"""

from __future__ import annotations

import asyncio
import errno
import faulthandler
import ipaddress
import os
import resource
import socket
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, disable_created_metrics

from lodur.api.options import ServerOptions, TlsOptions
from lodur.app import garbage
from lodur.app.allocator import tune_allocator
from lodur.app.periods import explain_periods
from lodur.app.server import CONNECTIONS_MAX, Server, open_stores, server_url
from lodur.app.shared_log import locked_directory, open_journal
from lodur.config.errors import ConfigError
from lodur.config.flags import Actions
from lodur.config.loading import LoadedConfig, load_server_config
from lodur.config.overrides import parse_overrides, read_files
from lodur.config.printing import effective_yaml
from lodur.config.server_config import ServerConfig
from lodur.config.targets import ROLES_OF_TARGETS, Role
from lodur.model.clock import Clock, SystemClock
from lodur.model.errors import LodurError
from lodur.store.open_segments import SEGMENTS_OPEN_MAX
from lodur.telemetry.build import program_version
from lodur.telemetry.log import configure_log
from lodur.telemetry.tracing import open_tracer

HEALTH_TIMEOUT_S = 10.0

ASIDE_THREADS = 16
"""For what would hold the event loop up: long queries to parse, answers to write. More than there are processors, for
the large answers of one tenant may take a while."""

SWITCH_INTERVAL_S = 0.0005
"""How long a thread keeps Python to itself while another one wants it: a request needs it several times, on the event
loop and on a thread, and would wait some milliseconds each time."""

_log = structlog.get_logger(__name__)


def run(argv: Sequence[str]) -> int:
    """Serve until a signal; the exit code: 0 after a clean stop, 1 for what made that impossible."""
    # A crash of native code leaves the stacks of all threads in the log.
    faulthandler.enable()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        loaded = load_server_config(argv, os.environ, Path.cwd())
        if (code := _act(loaded.actions, loaded)) is not None:
            return code
        _check_roles(loaded.config)
        return _serve(loaded)
    except (LodurError, OSError) as error:
        print(f"lodur serve: {error}", file=sys.stderr)
        return 1


def _act(actions: Actions, loaded: LoadedConfig) -> int | None:
    """Do what was asked for besides serving; the exit code where that is all."""
    if actions.version:
        print(f"lodur, version {program_version()}")
        return 0
    if actions.list_targets:
        print("\n".join(sorted(ROLES_OF_TARGETS)))
        return 0
    if actions.health:
        return _ask_health(actions.health_url)
    if actions.print_config:
        print(effective_yaml(loaded.config), file=sys.stderr)
    if actions.verify_config:
        config = loaded.config
        parse_overrides(read_files(config.runtime.files), config.tenants)
        for ignored in loaded.ignored:
            print(f"{ignored.path} has no effect: {ignored.reason}", file=sys.stderr)
        print("config is valid")
        return 0
    return None


def _ask_health(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=HEALTH_TIMEOUT_S) as answer:
            print(answer.read().decode("utf-8", "replace").strip())
            return 0
    except urllib.error.HTTPError as error:
        print(error.read().decode("utf-8", "replace").strip() or str(error), file=sys.stderr)
    except (OSError, ValueError) as error:
        print(f"{url}: {error}", file=sys.stderr)
    return 1


def _check_roles(config: ServerConfig) -> None:
    if config.ingester.object_wal is not None or config.roles == {Role.BACKEND}:
        return
    if not config.roles >= {Role.WRITE, Role.READ}:
        names = ",".join(config.targets)
        raise ConfigError(
            f"target {names}: with the WAL on the disk of one process others would not see what it accepts; set "
            "lodur.wal: object and an object store that all processes share, or use -target=all"
        )


def _serve(loaded: LoadedConfig) -> int:
    config = loaded.config
    tune_allocator()
    disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client leaves it without types
    configure_log(level=config.server.log_level, is_json=config.server.log_format == "json")
    _log.info(
        "starting", version=program_version(), config=str(loaded.file or "built in"), target=",".join(config.targets)
    )
    for ignored in loaded.ignored:
        _log.warning("configuration key has no effect", key=ignored.path, line=ignored.line, reason=ignored.reason)
    if loaded.actions.log_config_reversed:
        for line in reversed(effective_yaml(config).splitlines()):
            _log.info("configuration in force", text=line)
    explain_periods(config)
    warn_of_exposure(config)
    _check_tls(config.server.tls)
    _check_port(config.server)
    _allow_open_files()
    clock = SystemClock()
    code: int | None = None
    with locked_directory(config):
        while code is None:
            code = _serve_once(config, clock)
    return code


def _serve_once(config: ServerConfig, clock: Clock) -> int | None:
    """Serve until the end; None where the process is to begin anew, for others have taken it for dead."""
    registry = CollectorRegistry()
    stores = open_stores(config, registry, clock)
    journal = open_journal(config, stores, clock)

    async def run() -> int | None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(ASIDE_THREADS, "aside"))
        tracer = open_tracer(os.environ) if config.tracing_enabled else None
        server = Server(config, stores, journal, registry, clock, tracer)
        garbage.begin()
        try:
            code = await server.run()
        finally:
            if tracer is not None:
                await asyncio.to_thread(tracer.close)
        return None if server.is_fenced else code

    try:
        return asyncio.run(run())
    finally:
        journal.close()


def warn_of_exposure(config: ServerConfig) -> None:
    """Say who may do what without being asked who they are, and who may listen."""
    tls, url = config.server.tls, server_url(config.server)
    if _is_loopback(config.server.host):
        return
    if config.access is None and (tls is None or not tls.client_cert_required):
        _log.warning("everybody who reaches this address may read and write: lodur.access names no users", url=url)
    elif config.access is not None and tls is None:
        _log.warning("passwords and tokens cross the network in the clear: server.http_tls_config is empty", url=url)


def _check_tls(tls: TlsOptions | None) -> None:
    """Raise ConfigError where certificate, key or authorities cannot be read or do not belong together."""
    if tls is None:
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.cert_file, tls.key_file)
        if tls.client_ca_file:
            context.load_verify_locations(tls.client_ca_file)
    except OSError as error:
        names = ", ".join(str(file) for file in (tls.cert_file, tls.key_file, tls.client_ca_file) if file)
        raise ConfigError(f"server.http_tls_config: {names}: {(error.strerror or str(error)).lower()}") from error


def _check_port(options: ServerOptions) -> None:
    """Raise ConfigError where somebody listens already: the HTTP server would share the port with its like."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((options.host, options.port))
        except OSError as error:
            reason = "is in use by another process" if error.errno == errno.EADDRINUSE else f"({error.strerror})"
            raise ConfigError(
                f"cannot listen on {options.host}:{options.port}: the port {reason}; stop that process, or choose "
                "another with -server.http-listen-port"
            ) from error


def _allow_open_files() -> None:
    """Use as many files at a time as the system lets this process, not as many as it starts with."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS_MAX + SEGMENTS_OPEN_MAX
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
