"""How requests travel: proxies, compression, retries, and headers of the asker's own."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.unit.cli.fake_loki import Cli, FakeLoki

LABELS = "/loki/api/v1/labels"
FOUND = {"status": "success", "data": ["app"]}


def test_a_proxy_is_asked_for_the_whole_address(loki: FakeLoki, offline: Cli) -> None:
    loki.will_answer(f"/logs{LABELS}", FOUND)
    proxy = loki.url.replace("http://", "http://ann:p%40ss@")
    result = offline("labels", "--addr", "http://logs.invalid:3100/logs", "--proxy-url", proxy)
    assert result.stdout == "app\n"
    (request,) = loki.received
    assert request.headers["Host"] == "logs.invalid:3100"
    assert request.headers["Proxy-Authorization"] == "Basic YW5uOnBAc3M="


def test_a_proxy_opens_a_tunnel_for_tls(loki: FakeLoki, offline: Cli) -> None:
    """The fake server knows no CONNECT, which is refusal enough to see that it was asked."""
    result = offline("labels", "--addr", "https://logs.invalid", env={"LOKI_HTTP_PROXY_URL": loki.url})
    assert result.exit_code == 1
    assert "Tunnel connection failed: 501" in result.stderr


def test_the_proxy_of_the_environment_on_demand_only(loki: FakeLoki, offline: Cli) -> None:
    loki.will_answer(LABELS, FOUND)
    named = {"HTTP_PROXY": loki.url, "http_proxy": loki.url, "NO_PROXY": "other.invalid", "no_proxy": "other.invalid"}
    asked = ("labels", "--addr", "http://logs.invalid:3100", "--retries", "0")
    assert offline(*asked, env=named).exit_code == 1
    assert offline(*asked, "--envproxy", env=named).stdout == "app\n"
    assert offline(*asked, env={**named, "LOKI_ENV_PROXY": "true"}).stdout == "app\n"
    assert offline("labels", "--addr", "http://other.invalid", "--envproxy", env=named).exit_code == 1


def test_headers_of_the_asker(loki: FakeLoki, cli: Cli) -> None:
    loki.will_answer(LABELS, FOUND)
    assert cli("labels", "--header", "X-Site: north", "--header=X-Empty:").stdout == "app\n"
    (request,) = loki.received
    assert (request.headers["X-Site"], request.headers["X-Empty"]) == ("north", "")


@pytest.mark.parametrize("header", ["X-Site", "a b: c", ": c", "X: \u00fc", "X: a\nb: c"])
def test_what_is_no_header(cli: Cli, header: str) -> None:
    result = cli("labels", "--header", header)
    assert result.exit_code == 2
    assert "is no header; give one like" in result.stderr


def test_options_before_the_command(loki: FakeLoki, offline: Cli) -> None:
    loki.will_answer(LABELS, FOUND)
    assert offline("--addr", loki.url, "--quiet", "--org-id=a", "labels", "-o", "default").stdout == "app\n"
    assert loki.received[0].headers["X-Scope-OrgID"] == "a"
    assert offline("--version-of-nothing").exit_code == 2
    assert "Commands:" in offline("--help").stdout


@pytest.mark.parametrize("proxy", ["socks5://x:1", "http://", "https://ann:secret@proxy"])
def test_what_is_no_proxy(cli: Cli, proxy: str) -> None:
    result = cli("labels", "--proxy-url", proxy)
    assert result.exit_code == 2
    assert "is not the address of a proxy" in result.stderr
    assert "secret" not in result.stderr


@pytest.fixture
def zipping() -> Iterator[str]:
    """A server that compresses where it may."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = json.dumps(FOUND).encode()
            self.send_response(200)
            if self.headers.get("Accept-Encoding") == "gzip":
                content = gzip.compress(content)
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the parent's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("words", [(), ("--compress",)])
def test_compressed_answers_are_read(zipping: str, offline: Cli, words: tuple[str, ...]) -> None:
    assert offline("labels", "--addr", zipping, *words).stdout == "app\n"


def test_what_can_pass_is_asked_again(cli: Cli, loki: FakeLoki) -> None:
    loki.will_answer(LABELS, "too many outstanding requests", 429)
    loki.will_answer(LABELS, FOUND)
    result = cli("labels", env={"LOKI_CLIENT_RETRIES": "1"})
    assert (result.exit_code, result.stdout, len(loki.received)) == (0, "app\n", 2)


def test_what_the_request_is_to_blame_for_is_not_asked_again(cli: Cli, loki: FakeLoki) -> None:
    loki.will_answer(LABELS, "bad", 400)
    assert cli("labels", "--retries", "3").exit_code == 1
    assert len(loki.received) == 1


def test_headers_of_ones_own(cli: Cli, loki: FakeLoki, tmp_path: Path) -> None:
    loki.will_answer(LABELS, FOUND)
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    words = ("--username", "ann", "--password-file", str(secret), "--auth-header", "X-Auth", "--nocache")
    assert cli("labels", *words, env={"LOKI_QUERY_TAGS": "Source=nightly"}).exit_code == 0
    headers = loki.received[0].headers
    assert headers["X-Auth"] == "Basic YW5uOnMzY3JldA=="
    assert headers["X-Query-Tags"] == "Source=nightly"
    assert headers["Cache-Control"] == "no-cache"
    assert "Authorization" not in headers


@pytest.mark.parametrize("words", [("--auth-header", "X:Y"), ("--query-tags", "a\nb"), ("--password-file", "/none")])
def test_what_no_header_may_hold(cli: Cli, words: tuple[str, ...]) -> None:
    assert cli("labels", *words).exit_code == 2
