"""`ruler`, `ruler_storage`, and the rest of `limits_config`: how rules are kept and evaluated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lodur.config.blocks.common import PATH_PREFIX
from lodur.config.blocks.querier import CONCURRENT
from lodur.config.blocks.reasons import NO_RING
from lodur.config.blocks.ruler_clients import (
    ALERTMANAGER,
    ALERTMANAGER_URLS,
    NOTIFIER,
    RELABEL_RULES,
    REMOTE_WRITE_CLIENT,
    REMOTE_WRITE_CLIENTS,
    discovery_problem,
)
from lodur.config.errors import ConfigError
from lodur.config.kinds import BOOL, DURATION, POSITIVE, POSITIVE_DURATION, TEXT, TEXT_MAP, TEXTS, choice
from lodur.config.schema import Entry, MisplacedKey, Setting, inert_keys
from lodur.config.values import Values
from lodur.model.durations import NS_PER_S
from lodur.model.label_set import LabelSet
from lodur.ruler.options import AlertmanagerOptions, HttpOptions, RulerLimits, RulerOptions, RulerWalOptions

TYPE_NAMES = {
    "ruler": "ruler.Config",
    "ruler.storage": "base.RuleStoreConfig",
    "ruler.storage.local": "local.Config",
    "ruler.wal": "instance.Config",
    "ruler.remote_write": "ruler.RemoteWriteConfig",
    "ruler_storage": "rulestore.Config",
    "ruler_storage.local": "local.Config",
}

IN_THE_STORE = "rules lie in the object store of the logs"
ONE_EVALUATOR = "one process evaluates a group at a time: a lease in the object store sees to it"

_STORAGE_TYPES = ("", "local", "s3", "gcs", "azure", "swift", "cos", "bos", "alibabacloud")

ENABLE_API = Setting("ruler.enable_api", BOOL, "true", "Serve the API of rules and alerts.")
EVALUATION_INTERVAL = Setting(
    "ruler.evaluation_interval", POSITIVE_DURATION, "1m", "How often groups are evaluated that do not say it."
)
POLL_INTERVAL = Setting("ruler.poll_interval", POSITIVE_DURATION, "1m", "How often rules are read again.")
STORAGE_TYPE = Setting(
    "ruler.storage.type",
    choice(*_STORAGE_TYPES),
    "",
    "`local` takes rules from files, which the API then only shows; else they lie in the object store of the logs.",
)
LOCAL_DIRECTORY = Setting(
    "ruler.storage.local.directory", TEXT, "", "Where `local` finds its files: `<directory>/<tenant>/<namespace>`."
)
UNIFORM_BACKEND = Setting("ruler_storage.backend", TEXT, "", "Another name for `ruler.storage.type`.")
UNIFORM_DIRECTORY = Setting(
    "ruler_storage.local.directory", TEXT, "", "Another name for `ruler.storage.local.directory`."
)
RULES_DIRECTORY = Setting(
    "common.storage.filesystem.rules_directory",
    TEXT,
    "",
    "Takes rules from files in this directory, unless `ruler.storage` says something.",
)
EXTERNAL_URL = Setting(
    "ruler.external_url",
    TEXT,
    "",
    "Where people reach Grafana; links in alerts begin with it.",
    ("ruler.external.url",),
)
EXTERNAL_LABELS = Setting("ruler.external_labels", TEXT_MAP, "{}", "Labels that all alerts get.")
DATASOURCE = Setting("ruler.datasource_uid", TEXT, "", "Grafana's data source in links of alerts.")
ALERT_RELABEL = Setting(
    "ruler.alert_relabel_configs", RELABEL_RULES, "[]", "How labels of alerts are changed before they are sent."
)
URLS = Setting("ruler.alertmanager_url", ALERTMANAGER_URLS, "", "Alertmanagers, with commas; each gets all alerts.")
DISCOVERY = Setting(
    "ruler.enable_alertmanager_discovery",
    BOOL,
    "false",
    "Hosts of `alertmanager_url` are like `_web._tcp.alertmanager.example`; their SRV records name the Alertmanagers.",
    ("ruler.alertmanager-discovery",),
)
REFRESH_INTERVAL = Setting(
    "ruler.alertmanager_refresh_interval",
    POSITIVE_DURATION,
    "1m",
    "How often they are looked up again.",
)
NOTIFIER_CLIENT = Setting(
    "ruler.alertmanager_client",
    NOTIFIER,
    "{}",
    "How they are asked: `basic_auth_username`, `basic_auth_password`, `type`, `credentials`, `credentials_file`, "
    "`oauth2`, `sigv4`, `tls_ca_path`, `tls_cert_path`, `tls_key_path`, `tls_server_name`, `tls_insecure_skip_verify`.",
)
QUEUE_CAPACITY = Setting(
    "ruler.notification_queue_capacity", POSITIVE, "10000", "Alerts that wait for one Alertmanager."
)
NOTIFICATION_TIMEOUT = Setting(
    "ruler.notification_timeout", POSITIVE_DURATION, "10s", "How long an Alertmanager may take to answer."
)
RESEND_DELAY = Setting("ruler.resend_delay", DURATION, "1m", "How often a firing alert is told again.")
OUTAGE_TOLERANCE = Setting(
    "ruler.for_outage_tolerance", DURATION, "1h", "After a longer pause of all rulers, alerts begin anew."
)
GRACE_PERIOD = Setting(
    "ruler.for_grace_period",
    DURATION,
    "10m",
    "How long pending alerts wait at least after a pause; rules whose `for` is shorter begin anew.",
)
ENABLED_TENANTS = Setting("ruler.enabled_tenants", TEXTS, "", "Evaluate the rules of these tenants only.")
DISABLED_TENANTS = Setting("ruler.disabled_tenants", TEXTS, "", "Do not evaluate the rules of these tenants.")
NO_GROUP_LABEL = Setting(
    "ruler.disable_rule_group_label", BOOL, "false", "Leave the label `rule_group` of metrics empty."
)
WAL_DIRECTORY = Setting("ruler.wal.dir", TEXT, "ruler-wal", "Where recorded samples are kept until they are sent.")
WAL_MAX_AGE = Setting(
    "ruler.wal.max_age", POSITIVE_DURATION, "4h", "Samples that could not be sent for so long are dropped."
)
REMOTE_WRITE = Setting("ruler.remote_write.enabled", BOOL, "false", "Send what rules record.")
ORG_ID_HEADER = Setting(
    "ruler.remote_write.add_org_id_header", BOOL, "true", "Name the tenant to the receiver in X-Scope-OrgID."
)
CLIENT = Setting(
    "ruler.remote_write.client",
    REMOTE_WRITE_CLIENT,
    "{}",
    "A receiver of Prometheus remote write: `url`, `remote_timeout`, `headers`, `basic_auth`, `authorization`, "
    "`bearer_token`, `oauth2`, `sigv4`, `tls_config`, `proxy_url`, `write_relabel_configs`, `queue_config`.",
)
CLIENTS = Setting("ruler.remote_write.clients", REMOTE_WRITE_CLIENTS, "{}", "Receivers by name, each as `client`.")
EVALUATION_DELAY = Setting(
    "limits_config.ruler_evaluation_delay_duration",
    DURATION,
    "0s",
    "Rules are evaluated for a time so long ago, for logs that come late.",
    ("ruler.evaluation-delay-duration",),
)
TENANT_WRITE_DISABLED = Setting(
    "limits_config.ruler_remote_write_disabled", BOOL, "false", "Send nothing that a tenant's rules record."
)
TENANT_WRITE = Setting(
    "limits_config.ruler_remote_write_config",
    REMOTE_WRITE_CLIENTS,
    "{}",
    "A tenant's receivers by name; what one does not say is as in `ruler.remote_write.clients`.",
)
TENANT_ALERTMANAGER = Setting(
    "limits_config.ruler_alertmanager_config",
    ALERTMANAGER,
    "{}",
    "A tenant's own Alertmanagers: `alertmanager_url`, `alertmanager_client`, `enable_alertmanager_discovery`, "
    "`alertmanager_refresh_interval`, `notification_timeout`, `notification_queue_capacity`.",
)

ENTRIES: tuple[Entry, ...] = (
    ENABLE_API,
    EVALUATION_INTERVAL,
    POLL_INTERVAL,
    STORAGE_TYPE,
    LOCAL_DIRECTORY,
    *inert_keys("ruler.storage", IN_THE_STORE, "s3 gcs azure swift cos bos alibabacloud"),
    MisplacedKey("ruler.storage.alertmanager_url", "ruler.alertmanager_url"),
    UNIFORM_BACKEND,
    UNIFORM_DIRECTORY,
    *inert_keys("ruler_storage", IN_THE_STORE, "filesystem s3 gcs azure swift cos bos storage_prefix"),
    RULES_DIRECTORY,
    EXTERNAL_URL,
    EXTERNAL_LABELS,
    DATASOURCE,
    ALERT_RELABEL,
    URLS,
    NOTIFIER_CLIENT,
    DISCOVERY,
    REFRESH_INTERVAL,
    *inert_keys("ruler", "Alertmanager has no other API than v2 any more", "enable_alertmanager_v2"),
    QUEUE_CAPACITY,
    NOTIFICATION_TIMEOUT,
    RESEND_DELAY,
    OUTAGE_TOLERANCE,
    GRACE_PERIOD,
    ENABLED_TENANTS,
    DISABLED_TENANTS,
    NO_GROUP_LABEL,
    *inert_keys("ruler", "rules are not written to files on their way", "rule_path"),
    *inert_keys("ruler", ONE_EVALUATOR, "enable_sharding sharding_strategy sharding_algo flush_period ring"),
    *inert_keys("ruler", "metrics of queries are always kept", "query_stats_enabled"),
    *inert_keys("ruler", "the process that evaluates a rule asks its own query engine", "evaluation client"),
    WAL_DIRECTORY,
    WAL_MAX_AGE,
    *inert_keys("ruler.wal", "the WAL is trimmed when samples are sent", "truncate_frequency min_age"),
    *inert_keys("ruler", "the WAL is trimmed when samples are sent", "wal_cleaner"),
    REMOTE_WRITE,
    ORG_ID_HEADER,
    CLIENT,
    CLIENTS,
    *inert_keys("ruler.remote_write", "clients are looked up at each turn", "config_refresh_period"),
    EVALUATION_DELAY,
    TENANT_WRITE_DISABLED,
    TENANT_WRITE,
    TENANT_ALERTMANAGER,
    *inert_keys("limits_config", NO_RING, "ruler_tenant_shard_size"),
    *inert_keys("limits_config", "the WAL is always read back", "ruler_enable_wal_replay"),
    *inert_keys(
        "limits_config",
        "the process that evaluates a rule asks its own query engine",
        "ruler_remote_evaluation_timeout ruler_remote_evaluation_max_response_size",
    ),
)


def with_ruler_filled(values: Values) -> Values:
    """The values, and where files lie if only the prefix was said."""
    if prefix := values.get(PATH_PREFIX):
        values = values.filled(WAL_DIRECTORY, str(Path(prefix) / "ruler-wal"))
    return values


def ruler_options(values: Values, base: Path) -> RulerOptions:
    """What the ruler is told; relative paths start at `base`. Raises ConfigError."""
    http = replace(values.get(NOTIFIER_CLIENT), timeout_s=values.get(NOTIFICATION_TIMEOUT) / NS_PER_S)
    single = values.get(CLIENT)
    clients = (*((single,) if single.url else ()), *values.get(CLIENTS))
    return RulerOptions(
        enable_api=values.get(ENABLE_API),
        local_directory=_local_directory(values, base),
        evaluation_interval_ns=values.get(EVALUATION_INTERVAL),
        poll_interval_ns=values.get(POLL_INTERVAL),
        concurrent_groups=max(1, values.get(CONCURRENT) // 2),
        external_url=values.get(EXTERNAL_URL),
        external_labels=LabelSet.of(dict(values.get(EXTERNAL_LABELS))),
        datasource_uid=values.get(DATASOURCE),
        alert_relabel=values.get(ALERT_RELABEL),
        alertmanager=_alertmanager(values, http),
        resend_delay_ns=values.get(RESEND_DELAY),
        outage_tolerance_ns=values.get(OUTAGE_TOLERANCE),
        grace_period_ns=values.get(GRACE_PERIOD),
        enabled_tenants=frozenset(values.get(ENABLED_TENANTS)),
        disabled_tenants=frozenset(values.get(DISABLED_TENANTS)),
        remote_write_enabled=values.get(REMOTE_WRITE),
        remote_write=clients,
        add_org_id_header=values.get(ORG_ID_HEADER),
        wal=RulerWalOptions(base / values.get(WAL_DIRECTORY), values.get(WAL_MAX_AGE)),
        group_label=not values.get(NO_GROUP_LABEL),
    )


def ruler_limits(values: Values) -> RulerLimits:
    """How a tenant's rules are evaluated."""
    return RulerLimits(
        evaluation_delay_ns=values.get(EVALUATION_DELAY),
        remote_write_disabled=values.get(TENANT_WRITE_DISABLED),
        remote_write=values.get(TENANT_WRITE),
        alertmanager=values.get(TENANT_ALERTMANAGER),
    )


def _alertmanager(values: Values, http: HttpOptions) -> AlertmanagerOptions:
    options = AlertmanagerOptions(
        values.get(URLS),
        http,
        values.get(QUEUE_CAPACITY),
        discovers=values.get(DISCOVERY),
        refresh_s=values.get(REFRESH_INTERVAL) / NS_PER_S,
    )
    if problem := discovery_problem(options):
        raise ConfigError(f"CONFIG ERROR: invalid ruler config: {problem}")
    return options


def _local_directory(values: Values, base: Path) -> Path | None:
    says_where = values.given_in("ruler.storage") or values.given_in("ruler_storage")
    kind = values.get(STORAGE_TYPE) or values.get(UNIFORM_BACKEND)
    if kind == "local":
        directory = values.get(LOCAL_DIRECTORY) or values.get(UNIFORM_DIRECTORY) or values.get(RULES_DIRECTORY)
        if not directory:
            raise ConfigError("CONFIG ERROR: invalid ruler config: ruler.storage.type local needs local.directory")
        return base / directory
    directory = values.get(RULES_DIRECTORY)
    return base / directory if directory and not says_where else None
