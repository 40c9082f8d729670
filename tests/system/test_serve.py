"""Starting and stopping a server: exit codes, texts, what is found again."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import urllib.request
from pathlib import Path

import orjson
import pytest

from tests.conftest import StartLodur
from tests.servers.lodur import LODUR
from tests.servers.process import wait_until
from tests.system.conftest import Connect
from tests.system.pushing import DAY_NS, Client, config_text, first_push_ns, push_body


def pushed(client: Client, now_ns: int, pushes: int = 20) -> list[str]:
    lines: list[str] = []
    for number in range(pushes):
        body, more = push_body(1, number, now_ns)
        assert client.push(body) == 204
        lines += more
    return sorted(lines)


def found(client: Client, now_ns: int) -> list[str]:
    return sorted(client.lines('{app="crash"}', now_ns - 2 * DAY_NS, now_ns + DAY_NS))


def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LODUR, "serve", *arguments], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("time_of_day_ns", [0, DAY_NS // 2, DAY_NS - 10**6 // 2, DAY_NS - 1])
def test_pushes_are_of_two_days_at_any_time_of_day(time_of_day_ns: int) -> None:
    now_ns = 20_000 * DAY_NS + time_of_day_ns
    first_ns = first_push_ns(now_ns)
    assert now_ns - 10**9 <= first_ns <= now_ns
    values = [
        value
        for number in range(50)
        for stream in orjson.loads(push_body(1, number, first_ns)[0])["streams"]
        for value in stream["values"]
    ]
    assert {int(ts_ns) // DAY_NS for ts_ns, _ in values} == {19_999, 20_000}


@pytest.mark.parametrize("flush", [True, False])
def test_a_clean_stop_keeps_all_rows(lodur_server: StartLodur, connect: Connect, now_ns: int, flush: bool) -> None:
    server = lodur_server(config_text=config_text(flush_on_shutdown=flush))
    client = connect(server)
    lines = pushed(client, now_ns)
    assert found(client, now_ns) == lines
    client.close()
    assert server.terminate() == 0
    segments = list((server.data / "store").rglob("*.parquet"))
    assert len(segments) == (2 if flush else 0)
    server.start()
    assert found(connect(server), now_ns) == lines


def test_a_lost_wal_costs_nothing_after_a_flush(lodur_server: StartLodur, connect: Connect, now_ns: int) -> None:
    server = lodur_server(config_text=config_text())
    client = connect(server)
    lines = pushed(client, now_ns)
    client.close()
    assert server.terminate() == 0
    shutil.rmtree(server.data / "wal")
    server.start()
    assert found(connect(server), now_ns) == lines


def test_a_damaged_segment_is_set_aside_and_the_rest_answers(
    lodur_server: StartLodur, connect: Connect, now_ns: int
) -> None:
    server = lodur_server(config_text=config_text())
    client = connect(server)
    lines = pushed(client, now_ns)
    client.close()
    assert server.terminate() == 0
    damaged = min((server.data / "store").rglob("*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:-20])
    server.start()
    client = connect(server)
    rest = found(client, now_ns)
    assert 0 < len(rest) < len(lines)
    assert set(rest) < set(lines)
    assert "segment set aside" in server.log()
    assert b"lodur_segments_set_aside_total 1.0" in client.request("GET", "/metrics")


def test_a_segment_that_was_never_committed_is_removed(lodur_server: StartLodur, connect: Connect, now_ns: int) -> None:
    server = lodur_server(config_text=config_text())
    client = connect(server)
    lines = pushed(client, now_ns)
    client.close()
    server.terminate()
    committed = min((server.data / "store").rglob("*.parquet"))
    orphan = committed.with_name(committed.name.replace("-", "-f", 1))
    shutil.copy(committed, orphan)
    own, of_another = committed.with_name(f".spool-{orphan.name}"), committed.with_name(".spool-x.parquet")
    for spooled in (own, of_another):
        spooled.write_bytes(b"half")
    server.start()
    assert not orphan.exists()
    assert not own.exists()
    assert of_another.exists()
    assert found(connect(server), now_ns) == lines


def test_a_repeated_push_is_there_once(lodur_server: StartLodur, connect: Connect, now_ns: int) -> None:
    server = lodur_server(config_text=config_text())
    client = connect(server)
    lines = pushed(client, now_ns)
    client.request("POST", "/flush")
    assert pushed(client, now_ns) == lines
    assert found(client, now_ns) == lines
    server.restart()
    assert found(connect(server), now_ns) == lines


def test_a_second_server_on_the_same_data_is_refused(lodur_server: StartLodur) -> None:
    server = lodur_server(config_text=config_text())
    other = ran(
        f"-config.file={server.directory / 'lodur.yaml'}",
        "-server.http-listen-port=0",
        f"-ingester.wal-dir={server.data / 'wal'}",
    )
    assert other.returncode == 1
    assert "wal" in other.stderr


def test_a_taken_port_is_told(lodur_server: StartLodur) -> None:
    server = lodur_server()
    other = ran("-server.http-listen-address=127.0.0.1", f"-server.http-listen-port={server.port}")
    assert other.returncode == 1
    assert f"cannot listen on 127.0.0.1:{server.port}: the port is in use by another process" in other.stderr


def test_single_roles_need_the_object_wal() -> None:
    answer = ran("-target=querier")
    assert answer.returncode == 1
    assert "target querier: with the WAL on the disk of one process others would not see what it" in answer.stderr
    assert "set lodur.wal: object" in answer.stderr


@pytest.mark.parametrize(
    ("flag", "code", "text"),
    [
        ("-version", 0, "lodur, version "),
        ("--list-targets", 0, "distributor\n"),
        ("-verify-config", 0, "config is valid"),
        ("-no-such-flag", 1, ""),
        ("-health.url=http://127.0.0.1:9/ready", 0, ""),
    ],
)
def test_flags_that_do_not_serve(flag: str, code: int, text: str) -> None:
    arguments = [flag, "-health"] if flag.startswith("-health") else [flag]
    answer = ran(*arguments)
    assert answer.returncode == (1 if "-health" in arguments else code)
    assert text in answer.stdout


def test_ignored_keys_are_told_once(lodur_server: StartLodur) -> None:
    server = lodur_server(config_text=config_text() + "memberlist:\n  join_members: [a]\n")
    assert server.log().count("configuration key has no effect") == 1


def test_a_prefix_is_put_before_every_path(lodur_server: StartLodur, connect: Connect, now_ns: int) -> None:
    server = lodur_server("-server.path-prefix=/logs", start=False)
    server.process.start()
    client = connect(server)

    def is_ready() -> bool:
        try:
            client.request("GET", "/logs/ready")
        except Exception:  # noqa: BLE001 - not listening yet
            return False
        return client.status == 200

    wait_until(is_ready, deadline_s=60, what="readiness")
    body, _ = push_body(1, 1, now_ns)
    client.request("POST", "/logs/loki/api/v1/push", body, {"Content-Type": "application/json"})
    assert client.status == 204
    client.request("GET", "/ready")
    assert client.status == 404
    metrics = client.request("GET", "/logs/metrics").decode()
    assert 'route="loki_api_v1_push",status_code="204"' in metrics


def test_without_a_wal_a_clean_stop_flushes(lodur_server: StartLodur, connect: Connect, now_ns: int) -> None:
    text = config_text(flush_on_shutdown=False)
    server = lodur_server("-ingester.wal-enabled=false", config_text=text)
    lines = pushed(connect(server), now_ns)
    assert server.terminate() == 0
    assert not (server.data / "wal").exists()
    server.start()
    assert found(connect(server), now_ns) == lines


def test_a_full_disk_refuses_pushes_and_answers_queries(
    lodur_server: StartLodur, connect: Connect, now_ns: int
) -> None:
    server = lodur_server("-ingester.wal-disk-full-threshold=0", config_text=config_text())
    client = connect(server)
    assert client.push(push_body(1, 1, now_ns)[0]) == 503
    assert found(client, now_ns) == []
    assert b"loki_ingester_wal_disk_full_failures_total 1.0" in client.request("GET", "/metrics")


def test_tls_is_served(lodur_server: StartLodur, tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")
    made = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(key), "-out", str(cert))
    subprocess.run([openssl, *made, *subject], check=True, capture_output=True)
    flags = (f"-server.http-tls-cert-path={cert}", f"-server.http-tls-key-path={key}")
    server = lodur_server(*flags, start=False)
    server.process.start()
    context = ssl.create_default_context(cafile=str(cert))

    def is_ready() -> bool:
        try:
            with urllib.request.urlopen(f"https://127.0.0.1:{server.port}/ready", context=context, timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    wait_until(is_ready, deadline_s=60, what="readiness over TLS")
    assert not server.is_ready()


def test_a_missing_certificate_is_told(tmp_path: Path) -> None:
    flags = (f"-server.http-tls-cert-path={tmp_path / 'no.pem'}", f"-server.http-tls-key-path={tmp_path / 'no.key'}")
    answer = subprocess.run(
        [LODUR, "serve", *flags], capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path
    )
    assert answer.returncode == 1
    assert "no.pem" in answer.stderr + answer.stdout
