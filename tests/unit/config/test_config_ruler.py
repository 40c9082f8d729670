"""The `ruler` block: Loki's keys become options, secrets stay secret, mistakes are told by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from lodur.config.blocks.ruler import ruler_limits, ruler_options
from lodur.config.errors import ConfigError
from lodur.config.loading import load_server_config, parse_config_text
from lodur.config.overrides import OverridesFile, parse_overrides
from lodur.config.printing import effective_yaml
from lodur.config.tenant_settings import tenant_settings
from lodur.config.values import Values
from lodur.model.durations import NS_PER_MINUTE, NS_PER_S
from lodur.model.label_set import LabelSet
from lodur.model.tenant import TenantId
from lodur.ruler.options import (
    AlertmanagerOptions,
    HttpOptions,
    RelabelRule,
    RemoteWriteClient,
    RulerLimits,
    RulerOptions,
    RulerWalOptions,
)
from lodur.wire.client_auth import BasicAuth, HeaderAuth, OAuth2, Secret, SigV4, Tls

FULL = """
ruler:
  enable_api: false
  evaluation_interval: 30s
  poll_interval: 15s
  external_url: https://g.example
  external_labels: {site: north}
  datasource_uid: d1
  alert_relabel_configs: [{action: labeldrop, regex: 'tmp_.*'}]
  alertmanager_url: http://a:9093, https://user:hidden1@b/prefix
  alertmanager_client: {basic_auth_username: me, basic_auth_password: hidden2, tls_ca_path: /ca}
  notification_queue_capacity: 5
  notification_timeout: 7s
  resend_delay: 2m
  for_outage_tolerance: 3m
  for_grace_period: 4m
  enabled_tenants: [a, b]
  disabled_tenants: c
  disable_rule_group_label: true
  wal: {dir: /wal, max_age: 5m, truncate_frequency: 1m}
  remote_write:
    enabled: true
    add_org_id_header: false
    client:
      url: http://one/write
      remote_timeout: 9s
      headers: {X-Key: hidden3}
      authorization: {type: Token, credentials: hidden4}
    clients:
      two:
        url: http://two/write
        bearer_token_file: /token
        tls_config: {ca_file: /ca, insecure_skip_verify: true}
        write_relabel_configs: [{source_labels: [__name__], regex: 'a.*', action: keep}]
        queue_config: {max_samples_per_send: 10, batch_send_deadline: 1s, min_backoff: 1s, max_backoff: 2s,
                       retry_on_http_429: false, capacity: 7}
  enable_sharding: true
  ring: {kvstore: {store: inmemory}}
"""


def options(text: str, base: Path = Path("/base")) -> RulerOptions:
    values, _ = parse_config_text(text, "loki.yaml")
    return ruler_options(values, base)


def test_all_keys() -> None:
    assert options(FULL) == RulerOptions(
        enable_api=False,
        evaluation_interval_ns=30 * NS_PER_S,
        poll_interval_ns=15 * NS_PER_S,
        external_url="https://g.example",
        external_labels=LabelSet.of({"site": "north"}),
        datasource_uid="d1",
        alert_relabel=(RelabelRule("labeldrop", regex="tmp_.*"),),
        alertmanager=AlertmanagerOptions(
            ("http://a:9093", "https://user:hidden1@b/prefix"),
            HttpOptions(timeout_s=7.0, auth=BasicAuth("me", Secret("hidden2")), tls=Tls(ca_file=Path("/ca"))),
            5,
        ),
        resend_delay_ns=2 * NS_PER_MINUTE,
        outage_tolerance_ns=3 * NS_PER_MINUTE,
        grace_period_ns=4 * NS_PER_MINUTE,
        enabled_tenants=frozenset({"a", "b"}),
        disabled_tenants=frozenset({"c"}),
        remote_write_enabled=True,
        remote_write=(
            RemoteWriteClient(
                "default",
                "http://one/write",
                HttpOptions(
                    timeout_s=9.0, headers=(("X-Key", "hidden3"),), auth=HeaderAuth("Token", Secret("hidden4"))
                ),
            ),
            RemoteWriteClient(
                "two",
                "http://two/write",
                HttpOptions(
                    auth=HeaderAuth("Bearer", Secret(file=Path("/token"))),
                    tls=Tls(ca_file=Path("/ca"), insecure_skip_verify=True),
                ),
                relabel=(RelabelRule("keep", ("__name__",), regex="a.*"),),
                samples_per_send_max=10,
                batch_wait_s=1.0,
                backoff_min_s=1.0,
                backoff_max_s=2.0,
                retry_rate_limited=False,
            ),
        ),
        add_org_id_header=False,
        wal=RulerWalOptions(Path("/wal"), 5 * NS_PER_MINUTE),
        group_label=False,
    )


OAUTH2 = """
ruler:
  alertmanager_client: {oauth2: {client_id: a, client_secret: hidden1, token_url: 'http://u:hidden2@h/t'}}
  remote_write:
    clients:
      o:
        url: http://one/write
        oauth2:
          client_id: lodur
          client_secret_file: /secret
          token_url: https://login/token
          scopes: [x, y]
          endpoint_params: {audience: hidden3}
          tls_config: {ca_file: /ca}
      s:
        url: http://two/write
        sigv4: {region: r, access_key: AK, secret_key: hidden4, service_name: es}
"""


def test_tokens_and_signatures() -> None:
    ruler = options(OAUTH2)
    assert ruler.alertmanager.http.auth == OAuth2("a", Secret("hidden1"), "http://u:hidden2@h/t")
    assert [each.http.auth for each in ruler.remote_write] == [
        OAuth2(
            "lodur",
            Secret(file=Path("/secret")),
            "https://login/token",
            ("x", "y"),
            (("audience", "hidden3"),),
            Tls(ca_file=Path("/ca")),
        ),
        SigV4("r", "AK", Secret("hidden4"), service="es"),
    ]
    assert "hidden" not in repr(ruler)


def test_keys_of_aws_are_found_where_its_tools_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = tmp_path / "credentials"
    credentials.write_text("[metrics]\naws_access_key_id=P\naws_secret_access_key=ps\naws_session_token=pt\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_REGION", "of-env")
    text = "ruler:\n  remote_write:\n    client: {url: 'http://h/', sigv4: {%s}}"
    (by_profile,) = options(text % "profile: metrics").remote_write
    assert by_profile.http.auth == SigV4("of-env", "P", Secret("ps"), Secret("pt"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "E")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "es")
    (by_environment,) = options(text % "region: r").remote_write
    assert by_environment.http.auth == SigV4("r", "E", Secret("es"))


def test_defaults_are_those_of_the_options() -> None:
    assert ruler_options(Values(), Path()) == RulerOptions()
    assert ruler_limits(Values()) == RulerLimits()


@pytest.mark.parametrize("text", [FULL, OAUTH2])
def test_secrets_are_not_shown(text: str, tmp_path: Path) -> None:
    tenant = """
limits_config:
  ruler_remote_write_config: {two: {url: 'http://u:hidden5@x', headers: {Authorization: hidden6}}}
  ruler_alertmanager_config: {alertmanager_url: 'http://u:hidden7@y', alertmanager_client: {credentials: hidden8}}
"""
    (tmp_path / "lodur.yaml").write_text(text + tenant)
    config = load_server_config(["-config.file=lodur.yaml"], {}, tmp_path).config
    shown = effective_yaml(config)
    assert "hidden" not in shown
    assert "http://one/write" in shown
    assert "hidden" not in repr(config)
    # What is shown can be read again.
    values, _ = parse_config_text(shown, "shown")
    assert [each.url for each in ruler_options(values, tmp_path).remote_write] == [
        "http://one/write",
        "http://two/write",
    ]


@pytest.mark.parametrize(
    ("text", "directory"),
    [
        ("", None),
        ("ruler: {storage: {type: s3}}", None),
        ("ruler: {storage: {type: local, local: {directory: rules}}}", Path("/base/rules")),
        ("ruler_storage: {backend: local, local: {directory: /rules}}", Path("/rules")),
        ("common: {storage: {filesystem: {rules_directory: /loki/rules}}}", Path("/loki/rules")),
        (
            "common: {storage: {filesystem: {rules_directory: /loki/rules}}}\nruler: {storage: {type: gcs}}",
            None,
        ),
    ],
)
def test_where_rules_are(text: str, directory: Path | None) -> None:
    assert options(text).local_directory == directory


def test_what_a_tenant_has_of_its_own() -> None:
    text = """
limits_config:
  ruler_evaluation_delay_duration: 1m
  ruler_remote_write_disabled: true
  ruler_remote_write_config: {two: {remote_timeout: 3s, queue_config: {max_backoff: 9s}}}
  ruler_alertmanager_config: {alertmanager_url: 'http://own', notification_timeout: 2s}
"""
    limits = ruler_limits(parse_config_text(text, "x")[0])
    assert (limits.evaluation_delay_ns, limits.remote_write_disabled) == (NS_PER_MINUTE, True)
    assert limits.alertmanager == AlertmanagerOptions(("http://own",), HttpOptions(timeout_s=2.0))
    (own,) = limits.remote_write
    base = options(FULL).remote_write[1]
    merged = own.over(base)
    assert (merged.url, merged.http.timeout_s, merged.backoff_max_s) == ("http://two/write", 3.0, 9.0)
    assert (merged.http.auth, merged.samples_per_send_max) == (base.http.auth, 10)


def test_overrides_of_a_tenant() -> None:
    common = tenant_settings(parse_config_text("limits_config: {ruler_evaluation_delay_duration: 1m}", "x")[0])
    text = b"""
overrides:
  team-a:
    ruler_max_rule_groups_per_tenant: 3
    ruler_alertmanager_config: {alertmanager_url: 'http://own'}
"""
    overrides = parse_overrides([OverridesFile("overrides.yaml", text)], common)
    own, others = overrides.of(TenantId("team-a")), overrides.of(TenantId("team-b"))
    assert own.limits.rules.groups_max == 3
    assert own.ruler == RulerLimits(NS_PER_MINUTE, alertmanager=AlertmanagerOptions(("http://own",)))
    assert (others.limits.rules.groups_max, others.ruler) == (0, RulerLimits(NS_PER_MINUTE))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ruler:\n  alertmanager_url: not-an-url", "line 2: 'not-an-url' is not an http or https address"),
        ("ruler:\n  remote_write:\n    client: {url: x}", "line 3: url: 'x' is not an http or https address"),
        ("ruler:\n  remote_write:\n    client: {urll: x}", "field urll not found in type config.RemoteWriteConfig"),
        (
            "ruler:\n  remote_write:\n    clients: {a: {basic_auth: {}, bearer_token: x}}",
            "at most one of basic_auth, authorization, bearer_token",
        ),
        (
            "ruler:\n  remote_write:\n    clients: [a]",
            "cannot unmarshal !!seq into map[string]config.RemoteWriteConfig",
        ),
        ("ruler:\n  remote_write:\n    client: {oauth2: {client_id: x}}", "oauth2 token_url must be configured"),
        ("ruler:\n  remote_write:\n    client: {oauth2: {token_url: 'http://h/'}}", "oauth2 client_id must be"),
        ("ruler:\n  remote_write:\n    client: {oauth2: {token_url: h}}", "token_url is not an http or https"),
        ("ruler:\n  remote_write:\n    client: {oauth2: {grant_type: x}}", "field grant_type not found in type"),
        (
            "ruler:\n  remote_write:\n    client: {sigv4: {region: r}, bearer_token: b}",
            "at most one of basic_auth, authorization, bearer_token, bearer_token_file, oauth2 and sigv4",
        ),
        (
            "ruler:\n  remote_write:\n    client: {sigv4: {region: r, access_key: a}}",
            "access_key and secret_key together",
        ),
        (
            "ruler:\n  remote_write:\n    client: {sigv4: {access_key: a, secret_key: b, role_arn: 'arn:x'}}",
            "role_arn is not supported: no role is assumed",
        ),
        ("ruler:\n  remote_write:\n    client: {sigv4: {access_key: a, secret_key: b}}", "region not configured"),
        ("ruler:\n  remote_write:\n    client: {sigv4: {region: r, profile: none}}", "the AWS profile 'none'"),
        ("ruler: {alertmanager_client: {basic_auth_username: a, sigv4: {region: r}}}", "at most one of"),
        ("ruler: {alert_relabel_configs: [{action: no}]}", "unrecognized value 'no'"),
        ("ruler: {alert_relabel_configs: [{regex: x}]}", "replace action requires 'target_label' value"),
        ("ruler: {alert_relabel_configs: [{action: drop, regex: '('}]}", "regex:"),
        ("ruler: {alertmanager_client: {basic_auth_username: a, credentials: b}}", "at most one of"),
        ("ruler: {alertmanager_client: {tls_cert_path: a}}", "must be configured together"),
        (
            "limits_config: {ruler_alertmanager_config: {enable_alertmanager_discovery: true, alertmanager_url: 'http://a'}}",
            "needs a host like _web._tcp.alertmanager.example, not 'a'",
        ),
        ("ruler: {storage: {type: floppy}}", "unrecognized value 'floppy'"),
        ("ruler: {evaluation_interval: 0s}", "longer than 0"),
        ("ruler: {unknown: x}", "field unknown not found in type ruler.Config"),
    ],
)
def test_mistakes(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config_text(text, "loki.yaml")
    assert told in str(caught.value)


def test_names_of_services() -> None:
    text = "ruler: {enable_alertmanager_discovery: true, alertmanager_refresh_interval: 7s, alertmanager_url: '%s'}"
    names = "http://_web._tcp.am.example,https://_x._tcp.other:9/prefix"
    found = options(text % names).alertmanager
    assert (found.discovers, found.refresh_s, found.urls) == (True, 7.0, tuple(names.split(",")))
    with pytest.raises(ConfigError, match="needs a host like _web"):
        options(text % "http://alertmanager:9093")


def test_local_rules_need_a_directory() -> None:
    with pytest.raises(ConfigError, match=r"ruler\.storage\.type local needs local\.directory"):
        options("ruler: {storage: {type: local}}")
