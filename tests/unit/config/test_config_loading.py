"""Loading: where the file comes from, what wins, what follows from what, and whole files that must load."""

from __future__ import annotations

from pathlib import Path

import pytest

from lodur.config.errors import ConfigError
from lodur.config.loading import LoadedConfig, load_server_config
from lodur.config.targets import ROLES_OF_TARGETS, Role
from lodur.ingest.options import WalOptions
from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_HOUR
from lodur.model.limits import MIB, IngestLimits, Limits, QueryLimits
from lodur.model.matcher import Matcher, MatchOp
from lodur.store.compaction.options import CompactorOptions, RetentionPeriods, StreamRetention
from lodur.store.options import FilesystemOptions, FlushOptions, S3Options, SegmentCodec

DAY_NS = 24 * 3600 * 10**9
NOW_NS = 20_000 * DAY_NS
"""2024-10-04."""

CONFORMANCE = Path(__file__).parents[2] / "conformance" / "logql" / "config.yaml"

TYPICAL = """\
auth_enabled: false
server: {http_listen_port: 3100, grpc_listen_port: 9096}
common:
  instance_addr: 127.0.0.1
  path_prefix: /loki
  storage:
    filesystem: {chunks_directory: /loki/chunks, rules_directory: /loki/rules}
  replication_factor: 1
  ring: {kvstore: {store: inmemory}}
schema_config:
  configs:
    - {from: 2020-10-24, store: tsdb, object_store: filesystem, schema: v13, index: {prefix: index_, period: 24h}}
ruler: {alertmanager_url: http://localhost:9093}
"""

ON_S3 = """\
schema_config:
  configs: [{from: 2024-01-01, store: tsdb, object_store: s3, schema: v13, index: {prefix: index_, period: 24h}}]
storage_config:
  aws: {s3: s3://eu-west-3/loki-bucket, s3forcepathstyle: true}
  tsdb_shipper: {active_index_directory: /var/loki/tsdb-active, cache_location: /var/loki/tsdb-cache}
compactor:
  {retention_enabled: true, retention_delete_delay: 2h, delete_request_store: s3, working_directory: /var/compactor}
limits_config: {retention_period: 48h}
ingester_client: {grpc_client_config: {grpc_compression: snappy}}
"""


def load(cwd: Path, *argv: str, text: str | None = None, environ: dict[str, str] | None = None) -> LoadedConfig:
    if text is not None:
        (cwd / "config.yaml").write_text(text, encoding="utf-8")
    return load_server_config(argv, environ or {}, cwd, clock=ManualClock(NOW_NS), cores=3)


def test_without_a_file_it_runs_on_one_machine(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    config = loaded.config
    assert loaded.file is None
    assert loaded.ignored == ()
    assert (config.server.host, config.server.port) == ("127.0.0.1", 3100)
    assert not config.auth_enabled
    assert config.targets == ("all",)
    assert config.roles == set(Role)
    assert config.ingester.wal == WalOptions(tmp_path / "data/wal")
    assert config.ingester.flush_on_shutdown
    assert [period.object_store for period in config.storage.periods] == [FilesystemOptions(tmp_path / "data/store")]
    assert config.tenants.limits.ingest.rate_bytes == 1024 * MIB
    assert config.tenants.limits.ingest.allow_structured_metadata
    assert config.tenants.limits.query == QueryLimits()
    assert config.querier.threads == 3


def test_with_an_empty_file_lokis_defaults_hold(tmp_path: Path) -> None:
    config = load(tmp_path, text="").config
    assert (config.server.host, config.server.port) == ("0.0.0.0", 3100)
    assert config.auth_enabled
    assert config.tenants.limits == Limits(IngestLimits(), QueryLimits())
    assert not config.ingester.flush_on_shutdown
    assert config.ingester.segments.codec is SegmentCodec.ZSTD
    assert config.ingester.wal.directory == tmp_path / "data/wal"
    assert config.storage.periods[0].object_store == FilesystemOptions(tmp_path / "data/store")


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    text = "server: {http_listen_port: 3200, log_level: warn}\nlimits_config: {max_line_size: 1MB}\n"
    config = load(tmp_path, "-server.http-listen-port=3300", "-auth.enabled=false", text=text).config
    assert config.server.port == 3300
    assert config.server.log_level == "warn"
    assert config.server.log_format == "logfmt"
    assert not config.auth_enabled
    assert config.tenants.limits.ingest.line_bytes_max == MIB


def test_the_first_existing_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("server: {http_listen_port: 2}")
    (tmp_path / "c.yaml").write_text("server: {http_listen_port: 3}")
    loaded = load(tmp_path, "-config.file=a.yaml,b.yaml,c.yaml")
    assert loaded.file == tmp_path / "b.yaml"
    assert loaded.config.server.port == 2


def test_the_file_beside_us_is_found(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text("server: {http_listen_port: 2}")
    assert load(tmp_path).config.server.port == 2
    assert load(tmp_path, text="server: {http_listen_port: 1}").config.server.port == 1


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "-config.file=nowhere.yaml")
    assert str(caught.value) == "nowhere.yaml does not exist, set config.file for custom config path"


def test_files_that_are_not_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert str(caught.value) == "failed parsing config: config.yaml: yaml: line 2: invalid UTF-8"


def test_variables_are_expanded_only_where_asked(tmp_path: Path) -> None:
    text = "server: {http_listen_port: '${PORT:-3200}'}\n".replace("'", "")
    environ = {"PORT": "3300"}
    assert load(tmp_path, "-config.expand-env=true", text=text, environ=environ).config.server.port == 3300
    assert load(tmp_path, "-config.expand-env", text=text).config.server.port == 3200
    with pytest.raises(ConfigError, match=r"Use `-config\.expand-env=true` flag"):
        load(tmp_path, text="server: {http_listen_port: $PORT}\n", environ=environ)


def test_actions_are_handed_on(tmp_path: Path) -> None:
    loaded = load(tmp_path, "-verify-config", "-print-config-stderr")
    assert loaded.actions.verify_config
    assert loaded.actions.print_config


def test_the_version_is_told_whatever_the_file_holds(tmp_path: Path) -> None:
    assert load(tmp_path, "-version", text="foo: [").actions.version
    assert load(tmp_path, "-list-targets", "-config.file=nowhere").actions.list_targets


@pytest.mark.parametrize(("target", "roles"), ROLES_OF_TARGETS.items())
def test_lokis_targets_start_the_role_they_are_part_of(target: str, roles: frozenset[Role], tmp_path: Path) -> None:
    assert load(tmp_path, f"-target={target}").config.roles == roles


def test_targets_add_up_and_must_exist(tmp_path: Path) -> None:
    config = load(tmp_path, "-target=querier,ingester").config
    assert config.roles == {Role.READ, Role.WRITE}
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "-target=read,bogus")
    assert str(caught.value) == "unrecognised module name: bogus"


def test_the_recorded_conformance_server_loads(tmp_path: Path) -> None:
    loaded = load(
        tmp_path, f"-config.file={CONFORMANCE}", "-config.expand-env=true", environ={"DATA": str(tmp_path / "d")}
    )
    config = loaded.config
    assert (config.server.host, config.server.port, config.server.log_level) == ("127.0.0.1", 3100, "warn")
    assert config.auth_enabled
    assert config.ingester.wal.directory == tmp_path / "d/wal"
    assert config.ingester.flush_on_shutdown
    assert config.storage.periods[0].object_store == FilesystemOptions(tmp_path / "d/chunks")
    assert config.querier.multi_tenant_enabled
    assert config.querier.patterns_enabled
    ingest, query = config.tenants.limits.ingest, config.tenants.limits.query
    assert not ingest.reject_old_samples
    assert ingest.active_streams_max == 0
    assert ingest.stream_rate_bytes == 1024 * MIB
    assert ingest.future_grace_ns == 87600 * 3600 * 10**9
    assert query.length_max_ns == 0
    assert query.approx_topk_enabled
    assert query.multi_variant_enabled
    ignored = {key.path: key.line for key in loaded.ignored}
    assert {
        "server.grpc_listen_port",
        "common.ring",
        "pattern_ingester.retain_for",
        "frontend.encoding",
    } <= ignored.keys()
    assert all(line > 0 for line in ignored.values())


def test_a_typical_single_binary_file_loads(tmp_path: Path) -> None:
    loaded = load(tmp_path, text=TYPICAL)
    assert loaded.config.ingester.wal.directory == Path("/loki/wal")
    assert loaded.config.storage.periods[0].object_store == FilesystemOptions(Path("/loki/chunks"))
    assert not loaded.config.auth_enabled
    assert [(key.path, key.line) for key in loaded.ignored] == [
        ("server.grpc_listen_port", 2),
        ("common.instance_addr", 4),
        ("common.replication_factor", 8),
        ("common.ring", 9),
        ("schema_config.configs.index.prefix", 12),
        ("schema_config.configs.index.period", 12),
    ]
    assert loaded.config.ruler.local_directory == Path("/loki/rules")
    assert loaded.config.ruler.alertmanager.urls == ("http://localhost:9093",)


def test_a_file_on_s3_with_the_roles_of_the_pod_loads(tmp_path: Path) -> None:
    loaded = load(tmp_path, text=ON_S3)
    (period,) = loaded.config.storage.periods
    assert period.object_store == S3Options(bucket="loki-bucket", region="eu-west-3", path_style=True)
    assert loaded.config.compactor.retention_enabled
    assert loaded.config.compactor.retention_delete_delay_ns == 2 * NS_PER_HOUR
    assert loaded.config.tenants.retention == RetentionPeriods(48 * NS_PER_HOUR)
    assert {key.path for key in loaded.ignored} >= {"compactor.working_directory"}


def test_retention_of_streams_is_read(tmp_path: Path) -> None:
    streams = '[{selector: \'{app="x", env=~"p.*"}\', priority: 3, period: 7d}, {selector: \'{app="y"}\', period: 24h}]'
    loaded = load(tmp_path, text=f"limits_config: {{retention_stream: {streams}}}")
    x_matchers = (Matcher("app", MatchOp.EQUAL, "x"), Matcher("env", MatchOp.MATCHES, "p.*"))
    assert loaded.config.tenants.retention.streams == (
        StreamRetention(x_matchers, 3, 7 * 24 * NS_PER_HOUR),
        StreamRetention((Matcher("app", MatchOp.EQUAL, "y"),), 0, 24 * NS_PER_HOUR),
    )


def test_the_compactor_has_settings_of_its_own(tmp_path: Path) -> None:
    text = "compactor: {compaction_interval: 5m, max_compaction_parallelism: 2}\n"
    text += "lodur: {compactor: {target_bytes: 64MiB, cold_after: 48h, cold_zstd_level: 0, reader_grace: 1m}}"
    config = load(tmp_path, text=text).config
    options = config.compactor
    assert (options.interval_ns, options.parallelism, options.reader_grace_ns) == (300 * 10**9, 2, 60 * 10**9)
    assert (options.policy.target_bytes, options.policy.cold_zstd_level) == (64 * 2**20, 0)
    # Flushes compress for good as merges do.
    assert config.ingester.segments.cold_zstd_level == 0
    usual = load(tmp_path, text="{}").config
    assert usual.compactor == CompactorOptions()
    assert usual.ingester.segments == FlushOptions(cold_zstd_level=usual.compactor.policy.cold_zstd_level)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "compactor: {retention_enabled: true}",
            "CONFIG ERROR: invalid compactor config: "
            "compactor.delete-request-store should be configured when retention is enabled",
        ),
        (
            "limits_config: {retention_stream: [{selector: '{a=', priority: 1, period: 24h}]}",
            "failed parsing config: config.yaml: yaml: unmarshal errors:\n"
            "  line 1: invalid labels matchers: parse error at line 1, col 4: syntax error: unexpected $end, ",
        ),
        (
            "limits_config: {retention_stream: [{selector: '{a=\"b\"}', priority: 1, period: 1h}]}",
            "CONFIG ERROR: invalid limits_config config: retention period must be >= 24h was 1h",
        ),
        (
            "schema_config: {configs: [{from: 2020-01-01, store: tsdb, object_store: filesystem, schema: v12}]}",
            "CONFIG ERROR: schema v13 is required to store Structured Metadata and use native OTLP ingestion, "
            "your schema version is v12. ",
        ),
        (
            "schema_config: {configs: [{from: 2020-01-01, store: boltdb-shipper, object_store: s3, schema: v13}]}",
            "CONFIG ERROR: `tsdb` index type is required to store Structured Metadata",
        ),
        (
            "schema_config: {configs: [{from: 2020-01-01, object_store: s3}, {from: 2020-01-01, object_store: s3}]}",
            "CONFIG ERROR: invalid schema_config config: two periods have the same from date",
        ),
        (
            "ingester: {wal: {disk_full_threshold: 90}}",
            "CONFIG ERROR: invalid ingester config: wal.disk_full_threshold must be 0 to 1 was 90",
        ),
        (
            "lodur: {ingester: {flush_bytes: 2GiB}}",
            "CONFIG ERROR: invalid lodur config: ingester.head_max_bytes must not be below flush_bytes",
        ),
        (
            "lodur: {wal: object, object_wal: {interval: 3001ms}}",
            "CONFIG ERROR: invalid lodur config: object_wal.interval must be 3s or less, for pushes wait for it",
        ),
        (
            "lodur: {wal: object, object_wal: {interval: 3s, lease: 2s}}",
            "CONFIG ERROR: invalid lodur config: object_wal.lease must be 3s or more",
        ),
        (
            "server: {http_tls_config: {cert_file: /c}}",
            "CONFIG ERROR: invalid server config: http_tls_config needs both cert_file and key_file",
        ),
        (
            "server: {http_tls_config: {client_auth_type: RequireAndVerifyClientCert}}",
            "CONFIG ERROR: invalid server config: http_tls_config needs cert_file and key_file",
        ),
        (
            "server: {http_tls_config: {cert_file: c, key_file: k, client_auth_type: RequireAndVerifyClientCert}}",
            "CONFIG ERROR: invalid server config: http_tls_config.client_auth_type needs client_ca_file",
        ),
    ],
)
def test_contradictions_are_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text=text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "text",
    [
        "limits_config: {allow_structured_metadata: false}\n"
        "schema_config: {configs: [{from: 2020-01-01, object_store: filesystem, schema: v11}]}\n"
        "common: {path_prefix: /x}",
        "schema_config: {configs: [{from: 2020-01-01, object_store: filesystem, schema: v12}, "
        "{from: 2024-10-04, object_store: filesystem, schema: v13}]}\ncommon: {path_prefix: /x}",
    ],
)
def test_old_schemas_may_stay_listed(text: str, tmp_path: Path) -> None:
    assert load(tmp_path, text=text).config.storage.periods


def test_the_new_schema_must_have_begun(tmp_path: Path) -> None:
    text = (
        "schema_config: {configs: [{from: 2020-01-01, object_store: filesystem, schema: v12}, "
        "{from: 2024-10-05, object_store: filesystem, schema: v13}]}\ncommon: {path_prefix: /x}"
    )
    with pytest.raises(ConfigError, match="your schema version is v12"):
        load(tmp_path, text=text)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("gzip", "gzip"), ("flate", "gzip"), ("lz4-1M", "lz4"), ("snappy", "snappy"), ("none", "none"), ("zstd", "zstd")],
)
def test_lokis_codecs(name: str, codec: str, tmp_path: Path) -> None:
    config = load(tmp_path, text=f"ingester: {{chunk_encoding: {name}}}").config
    assert config.ingester.segments.codec is SegmentCodec(codec)


def test_the_stricter_limit_on_streams_holds(tmp_path: Path) -> None:
    def streams(text: str) -> int:
        return load(tmp_path, text=f"limits_config: {{{text}}}").config.tenants.limits.ingest.active_streams_max

    assert streams("max_streams_per_user: 10") == 10
    assert streams("max_streams_per_user: 10000") == 5000
    assert streams("max_global_streams_per_user: 0, max_streams_per_user: 7") == 7
    assert streams("max_global_streams_per_user: 0") == 0


@pytest.mark.parametrize(("text", "prefix"), [("/", ""), ("/loki/", "/loki"), ("a/b", "/a/b")])
def test_path_prefixes_are_brought_into_one_form(text: str, prefix: str, tmp_path: Path) -> None:
    assert load(tmp_path, text=f"server: {{http_path_prefix: {text}}}").config.server.path_prefix == prefix


def test_empty_blocks_and_nulls_leave_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, text="server:\nlimits_config:\n  max_line_size:\n").config.server.port == 3100
