"""What `lodur dev` writes, says and asks, without its children."""

from __future__ import annotations

import io
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from lodur.app.dev import (
    DevOptions,
    StatusLine,
    agent_config,
    log_tail,
    port_problem,
    run,
    server_config,
    stop_child,
    what_to_try,
)
from lodur.app.dev_probe import Probe, received_lines
from lodur.model.clock import ManualClock


@contextmanager
def answering(answers: dict[str, tuple[int, str]]) -> Iterator[int]:
    """A server on a free port that gives these answers by path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers.get(self.path.split("?")[0], (404, "404 page not found"))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the parent's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_server_config_is_of_lokis_shape(tmp_path: Path) -> None:
    options = DevOptions(tmp_path / "it's here", 3200)
    assert yaml.safe_load(server_config(options)) == {
        "auth_enabled": False,
        "server": {"http_listen_address": "127.0.0.1", "http_listen_port": 3200},
        "common": {"path_prefix": str(tmp_path / "it's here")},
        "storage_config": {"filesystem": {"directory": str(tmp_path / "it's here" / "store")}},
        "ingester": {"wal": {"flush_on_shutdown": True}},
        "pattern_ingester": {"enabled": True},
        "limits_config": {
            "ingestion_rate_mb": 1024,
            "ingestion_burst_size_mb": 1024,
            "per_stream_rate_limit": "1GB",
            "per_stream_rate_limit_burst": "1GB",
        },
    }


def test_agent_config_ships_the_machines_logs_and_the_servers_own(tmp_path: Path) -> None:
    config = yaml.safe_load(agent_config(DevOptions(tmp_path, 3200)))
    assert config["clients"] == [{"url": "http://127.0.0.1:3200/loki/api/v1/push"}]
    assert config["positions"] == {"filename": str(tmp_path / "positions.yaml")}
    labels = [job["static_configs"][0]["labels"] for job in config["scrape_configs"]]
    assert [(label["job"], label["__path__"]) for label in labels] == [
        ("varlogs", "/var/log/**"),
        ("lodur", str(tmp_path / "lodur.log")),
    ]


def test_taken_port_is_said_with_a_way_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert run(DevOptions(tmp_path / "data", port)) == 1
    assert capsys.readouterr().err == (
        f"Error: port {port} on 127.0.0.1 is taken, perhaps by another `lodur dev` or `lodur serve`;"
        f" stop it, or choose another port with `lodur dev --port {port + 1}`\n"
    )
    assert not (tmp_path / "data").exists()
    assert port_problem(port) == ""


def test_data_directory_that_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert run(DevOptions(tmp_path / "file", port)) == 1
    assert "cannot be written: File exists; choose another place with --data-dir" in capsys.readouterr().err


def test_a_server_that_ends_is_reported_with_the_end_of_its_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    (tmp_path / "lodur.log").write_text("one\nlast words\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    handler = signal.getsignal(signal.SIGINT)
    assert run(DevOptions(tmp_path, port)) == 1
    said = capsys.readouterr().err
    assert f"Error: the server has ended with code 1; the end of {tmp_path / 'lodur.log'}:\n  one\n  last words" in said
    assert signal.getsignal(signal.SIGINT) is handler


def test_what_to_try_names_another_port() -> None:
    assert "--addr" not in what_to_try(DevOptions(Path("data"), 3100))
    assert "lodur query --addr http://127.0.0.1:3200 " in what_to_try(DevOptions(Path("data"), 3200))


def test_probe_reads_readiness_and_counts() -> None:
    vector = '{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"42"]}],"stats":{}}}'
    metrics = (
        "# HELP loki_distributor_lines_received_total x\n"
        'loki_distributor_lines_received_total{tenant="a"} 10\n'
        'loki_distributor_lines_received_total{tenant="b"} 2.5e+03\n'
        'loki_distributor_lines_received_total_other{tenant="b"} 7\n'
    )
    answers = {"/ready": (200, "ready"), "/metrics": (200, metrics), "/loki/api/v1/query": (200, vector)}
    with answering(answers) as port:
        probe = Probe(f"http://127.0.0.1:{port}", ManualClock(1))
        assert probe.readiness().is_ready
        assert probe.shipped_lines() == 2510
        assert probe.kept_lines() == 42
        answers["/ready"] = (503, "Ingester not ready: waiting for 15s\n")
        answers["/loki/api/v1/query"] = (200, "<html>")
        assert (probe.readiness().is_ready, probe.readiness().text) == (False, "Ingester not ready: waiting for 15s")
        assert probe.kept_lines() == 0
    assert not probe.readiness().is_ready
    assert (probe.shipped_lines(), probe.kept_lines()) == (0, 0)


def test_metrics_without_tenants() -> None:
    assert received_lines("loki_distributor_lines_received_total 3\n") == 3
    assert received_lines("") == 0


def test_log_tail_is_short(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("".join(f"line {n}\n" for n in range(10_000)))
    assert log_tail(log).splitlines() == [f"  line {n}" for n in range(9985, 10_000)]


def test_child_that_will_not_stop_is_killed() -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert not stop_child(child, 0.05)
    assert stop_child(child, 1.0)
    assert stop_child(None, 1.0)


def test_status_line_writes_over_itself_and_only_on_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, plain = Terminal(), io.StringIO()
    for stream in (terminal, plain):
        status = StatusLine(stream)
        status.show("one")
        status.show("one")
        status.show("two")
        status.clear()
        status.clear()
    assert terminal.getvalue() == "\r\x1b[2Kone\r\x1b[2Ktwo\r\x1b[2K"
    assert plain.getvalue() == ""
