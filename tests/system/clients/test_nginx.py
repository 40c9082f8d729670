"""The proxy that docs/how-to/control-access.md shows, as nginx runs it: who may pass, as whom, and live tail."""

from __future__ import annotations

import base64
import os
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import trustme
from passlib.hash import apr_md5_crypt
from websockets.sync.client import connect

from tests.push_bodies import json_push
from tests.servers.lodur import LodurServer
from tests.servers.process import ServerProcess, free_port
from tests.system.clients.conftest import debian_program, is_listening

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "control-access.md"
START_S = 30.0

AROUND = """\
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
{user}
events {{}}
http {{
  access_log off;
  {paths}
  {example}
}}
"""
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")

TRUSTING = ssl.create_default_context()
TRUSTING.check_hostname = False
TRUSTING.verify_mode = ssl.CERT_NONE


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LodurServer]:
    server = LodurServer(tmp_path_factory.mktemp("behind"), config_text="auth_enabled: true\n")
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def proxy(server: LodurServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of nginx in front of the server, with the configuration of the page."""
    tmp_path = tmp_path_factory.mktemp("nginx")
    program = debian_program("nginx")
    port = free_port()
    write_certificate(tmp_path)
    (tmp_path / "htpasswd").write_text(f"agent:{apr_md5_crypt.hash('secret')}\nstranger:{apr_md5_crypt.hash('x')}\n")
    (example,) = re.findall(r"^```nginx\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    changes = {
        "127.0.0.1:3100": f"127.0.0.1:{server.port}",
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/nginx/": f"{tmp_path}/",
    }
    for shown, here in changes.items():
        assert shown in example
        example = example.replace(shown, here)
    paths = "\n".join(f"  {name}_temp_path {tmp_path}/{name};" for name in TEMPORARY)
    config = tmp_path / "nginx.conf"
    # Started by root, nginx would become a user who may not read a test's directory.
    user = "user root;" if os.geteuid() == 0 else ""
    config.write_text(AROUND.format(directory=tmp_path, paths=paths, example=example, user=user))
    process = ServerProcess(
        [str(program.path), "-p", str(tmp_path), "-c", str(config), "-e", str(tmp_path / "error.log")],
        directory=tmp_path,
        log_path=tmp_path / "log",
        environment=program.environment(),
    )
    process.start()
    try:
        process.wait_ready(lambda: is_listening(port), deadline_s=START_S)
        yield port
    finally:
        process.terminate()


def write_certificate(directory: Path) -> None:
    issued = trustme.CA().issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(directory / "tls.crt")
    issued.private_key_pem.write_to_path(directory / "tls.key")


def login(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


AGENT = login("agent", "secret")
PUSH = "/loki/api/v1/push"
JSON = {"Content-Type": "application/json"}


def ask(port: int, path: str, headers: dict[str, str], body: bytes | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(f"https://127.0.0.1:{port}{path}", data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20, context=TRUSTING) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_only_those_with_a_password_and_a_tenant_pass(proxy: int) -> None:
    labels = "/loki/api/v1/labels"
    assert ask(proxy, "/ready", {}) == (200, b"ready\n")
    assert ask(proxy, labels, {})[0] == 401
    assert ask(proxy, labels, login("agent", "guess"))[0] == 401
    assert ask(proxy, labels, AGENT)[0] == 200
    # Nobody chooses a tenant: who has none is of none, whatever the request says.
    assert ask(proxy, labels, {**login("stranger", "x"), "X-Scope-OrgID": "team-a"}) == (401, b"no org id\n")
    for path in ("/flush", "/ingester/shutdown", "/config", "/metrics", "/loki/api/v1/../../../flush", "//flush"):
        assert ask(proxy, path, AGENT)[0] in (400, 404), path


def test_what_is_pushed_through_it_is_found_and_tailed(proxy: int, now_ns: int) -> None:
    body = json_push([({"app": "x"}, [(now_ns, "first", {})])])
    assert ask(proxy, PUSH, {**AGENT, **JSON, "X-Scope-OrgID": "team-b"}, body) == (204, b"")
    status, answer = ask(proxy, "/loki/api/v1/query_range?query=%7Bapp%3D%22x%22%7D", AGENT)
    assert (status, len(orjson.loads(answer)["data"]["result"])) == (200, 1)
    address = f"wss://127.0.0.1:{proxy}/loki/api/v1/tail?query=%7Bapp%3D%22x%22%7D"
    with connect(address, additional_headers=AGENT, ssl=TRUSTING) as socket:
        assert "first" in str(socket.recv(timeout=20))
        body = json_push([({"app": "x"}, [(now_ns + 1, "second", {})])])
        assert ask(proxy, PUSH, {**AGENT, **JSON}, body)[0] == 204
        assert "second" in str(socket.recv(timeout=20))
