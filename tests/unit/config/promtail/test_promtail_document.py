"""Promtail files: what is read, what is refused and where, what is warned of."""

from __future__ import annotations

from pathlib import Path

import pytest

from lodur.agent.sources.file.options import Compression, Decompression
from lodur.config.errors import ConfigError
from lodur.config.promtail.document import LoadedAgent, build_agent
from lodur.config.promtail.load import load_agent
from lodur.config.promtail.rendering import render_agent
from lodur.wire.client_auth import BasicAuth, HeaderAuth, Secret

PUBLISHED = """\
clients:
  - url: http://loki-distributed-gateway.monitoring.svc.cluster.local/loki/api/v1/push
scrape_configs:
- job_name: k8s-logs
  decompression:
    enabled: true
    initial_delay: 10s
    format: gz
  static_configs:
  - targets:
      - localhost
    labels:
      job: varlogs
      __path__: /var/log/**.gz
"""

CLIENT = "clients: [{url: 'http://h/loki/api/v1/push'}]\n"


def build(text: str) -> LoadedAgent:
    return build_agent(text, name="promtail.yaml", environ={"HOSTNAME": "node-1"})


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        build(text)
    head, *lines = str(caught.value).split("\n")
    assert head.startswith("promtail.yaml: yaml: ")
    return [line.strip() for line in lines] or [head]


def test_reads_a_published_file() -> None:
    loaded = build(PUBLISHED)
    options = loaded.options
    (client,) = options.clients
    assert client.url.endswith("cluster.local/loki/api/v1/push")
    assert (client.batch_bytes, client.batch_wait_s, client.timeout_s) == (2**20, 1.0, 10.0)
    assert options.positions.path == Path("/var/log/positions.yaml")
    assert options.server is None
    (source,) = options.sources
    assert source.decompression == Decompression(Compression.GZIP, 10.0)
    assert source.rescan_period_s == 10.0
    assert source.targets[0].labels == (("job", "varlogs"),)
    assert source.targets[0].path.matches("/var/log/a.gz")
    assert not source.targets[0].path.matches("/var/log/below/a.gz")
    (warning,) = loaded.warnings
    assert "/var/log/**/*.gz" in warning


def test_what_is_printed_loads_to_the_same_options() -> None:
    options = build(PUBLISHED).options
    assert build(render_agent(options)).options == options


def test_secrets_are_not_printed() -> None:
    text = (
        "clients:\n- url: http://user:hunter2@h/push\n  headers: {X-Key: hunter2}\n- url: http://h/b\n  basic_auth:"
        " {username: u, password: hunter2}\n"
    )
    assert "hunter2" not in render_agent(build(text).options)
    assert "hunter2" not in repr(build(text).options.clients[1])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nonsense: 1\n", "line 2: field nonsense not found in type config.Config"),
        ("positions: {filename: x, every: 3}\n", "line 2: field every not found in type positions.Config"),
        ("clients: []\n", "line 2: field clients already set in type config.Config (first at line 1)"),
        ("scrape_configs: [{static_configs: []}]\n", "line 2: job_name is missing, each scrape config needs a name"),
        (
            "scrape_configs: [{job_name: a, static_configs: []}, {job_name: a, static_configs: []}]\n",
            'line 2: found multiple scrape configs with job name "a"',
        ),
        ("scrape_configs: [{job_name: a}]\n", 'line 2: no valid target scrape config defined for "a"'),
        (
            "scrape_configs:\n- job_name: a\n  static_configs: []\n  pipeline_stages:\n  - docker: {}\n",
            "line 5: pipeline_stages is not supported yet",
        ),
        ("scrape_configs:\n- job_name: a\n  journal: {path: /x}\n", "line 4: journal is not supported yet"),
        (
            "scrape_configs: [{job_name: a, static_configs: [], decompression: {enabled: true, format: zip}}]\n",
            "line 2: format: 'zip' is not supported, use gz, z or bz2",
        ),
        (
            "scrape_configs: [{job_name: a, static_configs: [{labels: {__path__: '/x/[a'}}]}]\n",
            "line 2: __path__: syntax error in pattern",
        ),
        (
            "scrape_configs: [{job_name: a, static_configs: [{labels: {a-b: c, __path__: /x}}]}]\n",
            'line 2: labels: "a-b" is not a valid label name',
        ),
        ("positions: {sync_period: 10}\n", "line 2: sync_period: cannot unmarshal !!int `10` into time.Duration"),
        ("limits_config: {readline_rate_enabled: true}\n", "line 2: readline_rate_enabled is not supported yet"),
        ("server: {external_url: http://x}\n", "line 2: external_url is not supported yet"),
        ("server: []\n", "line 2: cannot unmarshal !!seq into server.Config"),
        ("tracing: {enabled: true}\n", "line 2: enabled is not supported yet"),
    ],
)
def test_says_what_is_wrong_and_where(text: str, expected: str) -> None:
    assert any(problem.startswith(expected) for problem in problems(CLIENT + text)), problems(CLIENT + text)


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ("{}", "line 1: url: url is missing"),
        ("{url: 'http://loki.<mon_namespace>.svc/push'}", "line 1: url: 'http://loki.<mon_namespace>.svc/push' still"),
        ("{url: 'ftp://h/x'}", "line 1: url: 'ftp://h/x' is not an http or https address"),
        ("{url: 'http://h:99999/x'}", "line 1: url: 'http://h:99999/x' is not an http or https address"),
        ("{url: http://h/, oauth2: {client_id: x}}", "line 1: oauth2 token_url must be configured"),
        ("{url: http://h/, sigv4: {region: r}}", "line 1: field sigv4 not found"),
        ("{url: http://h/, bearer_token: a, basic_auth: {username: b}}", "line 1: at most one of basic_auth"),
        ("{url: http://h/, tls_config: {cert_file: a}}", "line 1: cert_file and key_file must be configured together"),
        ("{url: http://h/, batchsize: 0}", "line 1: batchsize: 0 is out of range"),
    ],
)
def test_says_what_is_wrong_with_a_client(client: str, expected: str) -> None:
    found = problems(f"clients: [{client}]\n")
    assert any(problem.startswith(expected) for problem in found), found


def test_all_problems_are_told_at_once() -> None:
    assert len(problems("nonsense: 1\npositions: {a: 1}\n")) == 3


def test_an_agent_without_client_is_refused() -> None:
    assert problems("scrape_configs: []\n") == ["line 1: at least one client config must be provided"]


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("h:3100", "http://h:3100/loki/api/v1/push"),
        ("http://h:3100", "http://h:3100/loki/api/v1/push"),
        ("https://h/", "https://h/loki/api/v1/push"),
        ("http://h/api/prom/push", "http://h/api/prom/push"),
    ],
)
def test_incomplete_addresses_are_completed_with_a_warning(written: str, used: str) -> None:
    loaded = build(f"clients: [{{url: '{written}'}}]\n")
    assert loaded.options.clients[0].url == used
    assert len(loaded.warnings) == (written != used)


def test_reads_how_to_authenticate() -> None:
    text = (
        "clients:\n- {url: http://h/a, basic_auth: {username: u, password_file: /p}}\n"
        "- {url: http://h/b, authorization: {type: Token, credentials: x}}\n- {url: http://h/c, bearer_token: y}\n"
    )
    basic, other, bearer = build(text).options.clients
    assert basic.auth == BasicAuth("u", Secret("", Path("/p")))
    assert other.auth == HeaderAuth("Token", Secret("x"))
    assert bearer.auth == HeaderAuth("Bearer", Secret("y"))


def test_two_clients_of_one_name_are_refused() -> None:
    assert "duplicate client name" in problems("clients: [{url: http://h/a, name: x}, {url: http://h/b, name: x}]\n")[0]


def test_targets_of_other_hosts_and_without_path_are_dropped_with_a_warning() -> None:
    text = CLIENT + (
        "scrape_configs:\n- job_name: a\n  static_configs:\n  - labels: {__path__: /x, __host__: node-2}\n"
        "  - labels: {job: b}\n  - targets: [localhost]\n    labels: {__path__: /y, __host__: node-1, __a: z, n: 1}\n"
    )
    loaded = build(text)
    (target,) = loaded.options.sources[0].targets
    assert (target.path.pattern, target.labels) == ("/y", (("n", "1"),))
    assert [warning.split(":")[1] for warning in loaded.warnings] == [
        " target for host node-2 dropped, this host is node-1",
        " target without __path__ dropped (line 6)",
    ]


def test_the_server_block_decides_whether_anything_listens() -> None:
    assert build(CLIENT).options.server is None
    assert build(CLIENT + "server: {disable: true}\n").options.server is None
    loaded = build(CLIENT + "server: {http_listen_port: 9080, grpc_listen_port: 0, log_level: warn}\n")
    assert loaded.options.server is not None
    assert (loaded.options.server.port, loaded.options.log_level) == (9080, "warn")
    assert loaded.warnings == ("no effect here: server.grpc_listen_port",)


def test_variables_are_expanded_only_where_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "promtail.yaml"
    file.write_text("clients: [{url: 'http://h/push', name: '${NAME:-fallback}', tenant_id: '${TENANT}'}]\n")
    environ = {"TENANT": "t1"}
    names = [str(tmp_path / "absent.yaml"), str(file)]
    (client,) = load_agent(names, environ=environ, expands_env=True).options.clients
    assert (client.name, client.tenant_id) == ("fallback", "t1")
    (client,) = load_agent(names, environ=environ, expands_env=False).options.clients
    assert client.tenant_id == "${TENANT}"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="config file not found: /absent/a, /absent/b"):
        load_agent(["/absent/a", "/absent/b"], environ={}, expands_env=False)
