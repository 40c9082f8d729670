"""syslog-ng by its HTTP destination; and rsyslog, whose build in Debian cannot speak HTTP, through curl."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from scripts.debian_programs import DebianProgram
from tests.servers.process import ServerProcess, free_port
from tests.system.clients.conftest import PASSWORD, USER, Tenant, debian_program, is_listening

START_S = 30.0

LEVELS = {"cart opened": "info", 'cart of "ann" is slow \\ very': "warning", "pay failed: \N{SNOWMAN}": "err"}
MESSAGES = tuple(LEVELS)

SYSLOG_NG = """\
@version: 3.38
options {{ keep-hostname(yes); use-dns(no); stats-freq(0); }};
source s {{ syslog(ip("127.0.0.1") port({port}) transport("tcp")); }};
destination d {{
  http(
    url("{url}/loki/api/v1/push")
    method("POST")
    user("{user}") password("{password}")
    headers("Content-Type: application/json", "X-Scope-OrgID: {tenant}")
    body-prefix('{{"streams": [') delimiter(",") body-suffix("]}}")
    batch-lines(100) batch-timeout(200)
    body('{{"stream": $(format-json job=$PROGRAM host=$HOST level=$LEVEL), "values": [["${{S_UNIXTIME}}${{S_USEC}}000", $(substr "$(format-json m=$MESSAGE)" 5 -1)]]}}')
  );
}};
log {{ source(s); destination(d); }};
"""  # noqa: E501 -- one string of the other program's configuration

RSYSLOG = """\
module(load="imtcp")
module(load="omprog")
input(type="imtcp" address="127.0.0.1" port="{port}")
template(name="loki" type="list") {{
  constant(value="{{\\"streams\\":[{{\\"stream\\":{{\\"job\\":\\"")
  property(name="programname" format="json")
  constant(value="\\",\\"host\\":\\"")
  property(name="hostname" format="json")
  constant(value="\\",\\"level\\":\\"")
  property(name="syslogseverity-text" format="json")
  constant(value="\\"}},\\"values\\":[[\\"")
  property(name="timereported" dateFormat="unixtimestamp")
  constant(value="000000000\\",\\"")
  property(name="msg" format="json")
  constant(value="\\"]]}}]}}\\n")
}}
action(type="omprog" binary="{script}" template="loki")
"""

CURL = """\
#!/bin/sh
while read -r body; do
  printf '%s' "$body" | curl --silent --show-error --fail --user '{account}' --data-binary @- \\
    --header 'Content-Type: application/json' --header 'X-Scope-OrgID: {tenant}' '{url}/loki/api/v1/push'
done
"""


def send(port: int, now_ns: int) -> None:
    """The messages in the form of RFC 5424, each with its length before it, as a device sends them."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for severity, message in zip((6, 4, 3), MESSAGES, strict=True):
            text = f"<{8 + severity}>1 {rfc3339(now_ns)} host-7 shop 4711 - - {message}".encode()
            connection.sendall(b"%d %s" % (len(text), text))


def rfc3339(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S.123456Z")


@contextmanager
def running(program: DebianProgram, arguments: list[str], directory: Path, port: int) -> Iterator[ServerProcess]:
    process = ServerProcess(
        [str(program.path), *arguments],
        directory=directory,
        log_path=directory / "log",
        environment=program.environment(),
    )
    process.start()
    try:
        process.wait_ready(lambda: is_listening(port), deadline_s=START_S)
        yield process
    finally:
        process.kill()


def assert_arrived(tenant: Tenant) -> None:
    found = tenant.wait_for('{job="shop"}', len(MESSAGES))
    assert [(each.labels["level"], each.labels["host"], each.lines) for each in found] == [
        (LEVELS[message], "host-7", [message]) for message in sorted(MESSAGES)
    ]


def test_syslog_ng(tenant: Tenant, tmp_path: Path) -> None:
    program = debian_program("syslog-ng")
    port = free_port()
    config = tmp_path / "syslog-ng.conf"
    config.write_text(
        SYSLOG_NG.format(port=port, url=tenant.server.url, user=USER, password=PASSWORD, tenant=tenant.name)
    )
    files = [f"--{name}={tmp_path / name}" for name in ("pidfile", "persist-file", "control")]
    modules = f"--module-path={program.root / 'usr/lib/syslog-ng/3.38'}"
    with running(program, ["--foreground", "--stderr", f"--cfgfile={config}", modules, *files], tmp_path, port):
        send(port, tenant.since_ns + 10**9)
        assert_arrived(tenant)


def test_rsyslog_with_curl(tenant: Tenant, tmp_path: Path) -> None:
    program = debian_program("rsyslogd")
    port = free_port()
    script = tmp_path / "push.sh"
    script.write_text(CURL.format(account=tenant.account, tenant=tenant.name, url=tenant.server.url))
    script.chmod(0o755)
    config = tmp_path / "rsyslog.conf"
    config.write_text(RSYSLOG.format(port=port, script=script))
    modules = program.root / "usr/lib/x86_64-linux-gnu/rsyslog"
    with running(program, ["-n", f"-f{config}", f"-M{modules}", f"-i{tmp_path / 'pid'}"], tmp_path, port):
        send(port, tenant.since_ns + 10**9)
        assert_arrived(tenant)
