"""`server`, and the parts of `distributor` and `frontend` that bound requests."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from lodur.api.options import LogFormat, LogLevel, ServerOptions, TlsOptions, TlsVersion
from lodur.config.blocks.reasons import NO_GRPC, NO_KAFKA, NO_RING
from lodur.config.errors import ConfigError
from lodur.config.kinds import BOOL, DURATION, PORT, POSITIVE_SIZE, TEXT, choice
from lodur.config.schema import Entry, Setting, inert_keys
from lodur.config.values import Values

TYPE_NAMES = {
    "server": "server.Config",
    "server.http_tls_config": "server.TLSConfig",
    "distributor": "distributor.Config",
}

ADDRESS = Setting("server.http_listen_address", TEXT, "", "Address to listen on; empty means every address.")
LISTEN_PORT = Setting("server.http_listen_port", PORT, "3100", "TCP port of the HTTP server.")
PATH_PREFIX = Setting(
    "server.http_path_prefix", TEXT, "", "Put before every path that is served.", ("server.path-prefix",)
)
READ_TIMEOUT = Setting(
    "server.http_server_read_timeout", DURATION, "30s", "Longest time to read a request.", ("server.http-read-timeout",)
)
WRITE_TIMEOUT = Setting(
    "server.http_server_write_timeout",
    DURATION,
    "30s",
    "Longest time to write a response.",
    ("server.http-write-timeout",),
    ignored="responses are written as fast as the client reads them",
)
IDLE_TIMEOUT = Setting(
    "server.http_server_idle_timeout",
    DURATION,
    "2m",
    "Idle connections are closed after this.",
    ("server.http-idle-timeout",),
)
SHUTDOWN_TIMEOUT = Setting(
    "server.graceful_shutdown_timeout", DURATION, "30s", "Running requests may take so long when the server stops."
)
LOG_LEVEL = Setting(
    "server.log_level",
    choice("debug", "info", "warn", "error"),
    "info",
    "Least important events of the server's own log.",
    ("log.level",),
)
LOG_FORMAT = Setting(
    "server.log_format", choice("logfmt", "json"), "logfmt", "Form of the server's own log.", ("log.format",)
)
TLS_CERT = Setting(
    "server.http_tls_config.cert_file", TEXT, "", "Certificate of the HTTP server.", ("server.http-tls-cert-path",)
)
TLS_KEY = Setting(
    "server.http_tls_config.key_file", TEXT, "", "Private key of the certificate.", ("server.http-tls-key-path",)
)
UNVERIFIED = ("RequestClientCert", "RequireAnyClientCert")
"""Kinds of client authentication that accept certificates of whomever: the TLS library verifies or does not ask."""

TLS_VERSIONS: dict[str, TlsVersion] = {"": "tls1.2", "VersionTLS12": "tls1.2", "VersionTLS13": "tls1.3"}

TLS_CLIENT_AUTH = Setting(
    "server.http_tls_config.client_auth_type",
    choice("", "NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert", *UNVERIFIED),
    "",
    "Whether clients must present a certificate. The two kinds without `Verify` are refused at the start: "
    "certificates are always verified.",
    ("server.http-tls-client-auth",),
)
TLS_CLIENT_CA = Setting(
    "server.http_tls_config.client_ca_file",
    TEXT,
    "",
    "Certificates that sign those of clients.",
    ("server.http-tls-ca-path",),
)
TLS_MIN = Setting(
    "server.tls_min_version",
    choice("", "VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13"),
    "",
    "Oldest protocol of HTTPS; VersionTLS12 where nothing is said. Older ones are refused at the start.",
)
PUSH_BODY = Setting(
    "distributor.max_recv_msg_size",
    POSITIVE_SIZE,
    "100MB",
    "Largest body of a push as it comes over the wire.",
)
PUSH_DECOMPRESSED = Setting(
    "distributor.max_decompressed_size", POSITIVE_SIZE, "500MB", "Largest body of a push after decompression."
)
QUERY_BODY = Setting("frontend.max_body_size", POSITIVE_SIZE, "10MB", "Largest form body of a query.")
COMPRESS = Setting("frontend.compress_responses", BOOL, "false", "Compress responses where the client accepts it.")

ENTRIES: tuple[Entry, ...] = (
    ADDRESS,
    LISTEN_PORT,
    PATH_PREFIX,
    READ_TIMEOUT,
    WRITE_TIMEOUT,
    IDLE_TIMEOUT,
    SHUTDOWN_TIMEOUT,
    LOG_LEVEL,
    LOG_FORMAT,
    TLS_CERT,
    TLS_KEY,
    TLS_CLIENT_AUTH,
    TLS_CLIENT_CA,
    TLS_MIN,
    *inert_keys(
        "server",
        NO_GRPC,
        "grpc_listen_address grpc_listen_port grpc_listen_network grpc_listen_conn_limit "
        "grpc_server_max_recv_msg_size grpc_server_max_send_msg_size grpc_server_max_concurrent_streams "
        "grpc_server_max_connection_idle grpc_server_max_connection_age grpc_server_max_connection_age_grace "
        "grpc_server_keepalive_time grpc_server_keepalive_timeout grpc_server_min_time_between_pings "
        "grpc_server_ping_without_stream_allowed grpc_server_num_workers grpc_server_num_stream_workers "
        "grpc_server_stats_tracking_enabled grpc_server_recv_buffer_pools_enabled grpc_tls_config "
        "grpc_collect_max_streams_by_conn",
    ),
    *inert_keys(
        "server",
        "the HTTP server has no such switch",
        "http_listen_network http_listen_conn_limit http_server_read_header_timeout tls_cipher_suites "
        "proxy_protocol_enabled register_instrumentation cluster_validation "
        "http_log_closed_connections_without_response_enabled",
    ),
    *inert_keys(
        "server",
        "the request log has one form",
        "log_source_ips_enabled log_source_ips_full log_source_ips_header log_source_ips_regex "
        "log_request_headers log_request_at_info_level_enabled log_request_exclude_headers_list "
        "report_grpc_codes_in_instrumentation_label_enabled trace_request_headers "
        "trace_request_exclude_headers_list",
    ),
    PUSH_BODY,
    PUSH_DECOMPRESSED,
    *inert_keys("distributor", NO_RING, "ring push_worker_count rate_store"),
    *inert_keys("distributor", "use limits_config.policy_stream_mapping", "default_policy_stream_mappings"),
    *inert_keys("distributor", NO_KAFKA, "kafka_writes_enabled ingester_writes_enabled kafka_config tenant_topic"),
    *inert_keys("distributor", "the request log has one form", "write_failures_logging"),
    *inert_keys(
        "distributor", "limits are checked by the writer itself", "ingest_limits_enabled ingest_limits_dry_run_enabled"
    ),
    QUERY_BODY,
    COMPRESS,
)


def server_options(values: Values) -> ServerOptions:
    """The HTTP server's options. Raises ConfigError."""
    return ServerOptions(
        host=values.get(ADDRESS) or "0.0.0.0",
        port=values.get(LISTEN_PORT),
        path_prefix=_path_prefix(values.get(PATH_PREFIX)),
        read_timeout_s=values.get(READ_TIMEOUT) / 1e9,
        write_timeout_s=values.get(WRITE_TIMEOUT) / 1e9,
        idle_timeout_s=values.get(IDLE_TIMEOUT) / 1e9,
        graceful_shutdown_timeout_s=values.get(SHUTDOWN_TIMEOUT) / 1e9,
        push_body_max_bytes=values.get(PUSH_BODY),
        push_decompressed_max_bytes=values.get(PUSH_DECOMPRESSED),
        query_body_max_bytes=values.get(QUERY_BODY),
        compress_responses=values.get(COMPRESS),
        log_level=cast(LogLevel, values.get(LOG_LEVEL)),
        log_format=cast(LogFormat, values.get(LOG_FORMAT)),
        tls=_tls(values),
    )


def _path_prefix(text: str) -> str:
    stripped = text.strip("/")
    return f"/{stripped}" if stripped else ""


def _tls(values: Values) -> TlsOptions | None:
    cert, key, client_ca = values.get(TLS_CERT), values.get(TLS_KEY), values.get(TLS_CLIENT_CA)
    client_auth = values.get(TLS_CLIENT_AUTH)
    verifies = client_auth in ("VerifyClientCertIfGiven", "RequireAndVerifyClientCert")
    if client_auth in UNVERIFIED:
        raise _wrong_tls(
            f".client_auth_type {client_auth} would accept certificates of anybody, use VerifyClientCertIfGiven or "
            "RequireAndVerifyClientCert"
        )
    if not cert and not key:
        if client_ca or verifies:
            raise _wrong_tls(" needs cert_file and key_file")
        return None
    if not cert or not key:
        raise _wrong_tls(" needs both cert_file and key_file")
    if verifies and not client_ca:
        raise _wrong_tls(".client_auth_type needs client_ca_file")
    if client_ca and not verifies:
        raise _wrong_tls(
            ".client_ca_file has no effect without client_auth_type VerifyClientCertIfGiven or "
            "RequireAndVerifyClientCert"
        )
    return TlsOptions(
        Path(cert),
        Path(key),
        Path(client_ca) if verifies else None,
        client_cert_required=client_auth == "RequireAndVerifyClientCert",
        min_version=_min_version(values.get(TLS_MIN)),
    )


def _min_version(name: str) -> TlsVersion:
    if name not in TLS_VERSIONS:
        raise ConfigError(
            f"CONFIG ERROR: invalid server config: tls_min_version {name} is not spoken any more, use VersionTLS12 or "
            "VersionTLS13"
        )
    return TLS_VERSIONS[name]


def _wrong_tls(what: str) -> ConfigError:
    return ConfigError(f"CONFIG ERROR: invalid server config: http_tls_config{what}")
