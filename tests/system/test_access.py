"""Whom the server lets in: no credentials, wrong ones, foreign tenants, and every spelling that might get around it."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from passlib.context import CryptContext
from passlib.hash import apr_md5_crypt, ldap_sha1, sha512_crypt
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.servers.lodur import LodurServer
from tests.servers.process import wait_until
from tests.servers.raw_http import Answer, ask, exchange, request_bytes

PASSWORDS = {
    "reader": "pass-of-reader",
    "writer": "pass-of-writer",
    "ops": "pass-of-ops",
    "nobody": "pass-of-nobody",
    "old": "pass-of-old",
    "sha": "pass-of-sha",
    "crypt": "pass-of-crypt",
    "busy": "pass-of-busy",
    "late": "pass-of-late",
}
TOKEN = "0123456789abcdef0123456789abcdef"
_BCRYPT = CryptContext(["bcrypt"], bcrypt__ident="2y", bcrypt__rounds=4)
HASHES = {
    **{user: _BCRYPT.hash(password) for user, password in PASSWORDS.items()},
    "old": apr_md5_crypt.hash(PASSWORDS["old"]),
    "sha": ldap_sha1.hash(PASSWORDS["sha"]),
    "crypt": sha512_crypt.hash(PASSWORDS["crypt"]),
}

CONFIG = """
auth_enabled: true
querier: {multi_tenant_queries_enabled: true}
lodur:
  access:
    htpasswd_file: htpasswd
    tokens_file: tokens
    realm: the logs
    failures_per_minute: 20
    users_file: users.yaml
    users:
      reader: {tenants: [a, b], default_tenant: a, rights: [read]}
      writer: {tenants: [a], rights: [write]}
      ops: {tenants: ["*"], rights: [read, write, admin]}
      robot: {tenants: [a, b], rights: [read, write]}
      old: {tenants: [a], rights: [read]}
      sha: {tenants: [a], rights: [read]}
      crypt: {tenants: [a], rights: [read]}
      busy: {tenants: [a], rights: [read]}
      late: {tenants: [a], rights: [read]}
"""

LABELS = "/loki/api/v1/labels"
PUSH = "/loki/api/v1/push"
BODY = json.dumps({"streams": [{"stream": {"app": "x"}, "values": []}]}).encode()
JSON = {"Content-Type": "application/json"}
SECRETS = (*PASSWORDS.values(), *HASHES.values(), TOKEN)


def basic(user: str, password: str | None = None) -> dict[str, str]:
    pair = f"{user}:{PASSWORDS[user] if password is None else password}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def bearer(token: str = TOKEN) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


READER, WRITER, OPS, NOBODY = (basic(user) for user in ("reader", "writer", "ops", "nobody"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LodurServer]:
    directory = tmp_path_factory.mktemp("access")
    write_htpasswd(directory, HASHES)
    (directory / "tokens").write_text(f"# of machines\nrobot:{TOKEN}\n")
    (directory / "users.yaml").write_text("users: {}\n")
    server = LodurServer(directory, config_text=CONFIG)
    server.start()
    yield server
    server.kill()
    log = server.log()
    assert "login failed" in log
    assert [secret for secret in SECRETS if secret in log] == []
    assert [secret for secret in ("guess-", "cGFzcy1vZi1") if secret in log] == []


@pytest.fixture(autouse=True)
def _still_serving(server: LodurServer) -> Iterator[None]:
    yield
    assert ask(server.port, "GET", LABELS, READER).status == 200


def write_htpasswd(directory: Path, hashes: Mapping[str, str]) -> None:
    # In one step, as those who manage secrets do it: a half-written file is never read.
    written = directory / "htpasswd.new"
    written.write_text("".join(f"{user}:{hashed}\n" for user, hashed in hashes.items()))
    written.rename(directory / "htpasswd")


ROUTES = [
    ("GET", "/"),
    ("GET", "/metrics"),
    ("GET", "/config"),
    ("GET", "/services"),
    ("GET", "/flush"),
    ("POST", "/flush"),
    ("POST", "/ingester/shutdown"),
    ("GET", "/loki/api/v1/status/buildinfo"),
    ("POST", PUSH),
    ("GET", LABELS),
    ("GET", "/loki/api/v1/label/app/values"),
    ("GET", "/loki/api/v1/query_range?query=%7Ba%3D%22b%22%7D"),
    ("POST", "/loki/api/v1/query"),
    ("GET", "/nothing/here"),
    ("OPTIONS", LABELS),
    ("DELETE", "/loki/api/v1/delete"),
]


@pytest.mark.parametrize(("method", "target"), ROUTES)
def test_nobody_gets_in_without_credentials(server: LodurServer, method: str, target: str) -> None:
    answer = ask(server.port, method, target, {"X-Scope-OrgID": "a"}, b"" if method == "POST" else None)
    assert answer.status == 401
    assert "www-authenticate" in answer.headers
    assert answer.text in ("credentials are missing: send an Authorization header\n", "")


def test_both_ways_to_log_in_are_offered(server: LodurServer) -> None:
    sent = exchange_head(server, request_bytes("GET", LABELS))
    assert b'Basic realm="the logs", charset="UTF-8"' in sent
    assert b'Bearer realm="the logs"' in sent


def exchange_head(server: LodurServer, sent: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(sent)
        received = b""
        while part := connection.recv(65_536):
            received += part
    return received.partition(b"\r\n\r\n")[0]


SPELLINGS = [
    "//config",
    "/ready/../config",
    "/./config",
    "/%2e/config",
    "/%2e%2e/config",
    "/ready/%2e%2e/config",
    "/ready%2f..%2fconfig",
    "/ready//../config",
    "/ready/",
    "/ready;/config",
    "/%63onfig",
    "/config%00/ready",
    "/config%23/ready",
    "/config/%0a/ready",
    "/READY",
    "/config?/ready",
    "http://test/config",
    "http://test/ready/../config",
    "/loki/api/v1//push",
    "/loki/api%2fv1%2flabels",
    "/%6coki/api/v1/labels",
    "*",
    "config",
    "\\config",
]


@pytest.mark.parametrize("target", SPELLINGS)
def test_no_spelling_of_a_path_gets_in_without_credentials(server: LodurServer, target: str) -> None:
    assert ask(server.port, "GET", target).status in (400, 401)


@pytest.mark.parametrize(
    "target",
    [
        "/flush",
        "//flush",
        "/%66lush",
        "/./flush",
        "/loki/../flush",
        "/loki/api/v1/labels/../../../../flush",
        "/loki/api/v1/labels%2f..%2fflush",
        "/loki/api/v1/labels;/flush",
        "/flush/",
        "/config",
        "/ingester/shutdown",
        "/%69ngester/shutdown",
        "/ingester%2fshutdown",
    ],
)
@pytest.mark.parametrize("user", ["reader", "writer", "nobody"])
def test_no_spelling_of_a_path_gives_more_rights(server: LodurServer, target: str, user: str) -> None:
    assert ask(server.port, "POST", target, basic(user), b"").status in (400, 403, 404, 405)
    assert ask(server.port, "GET", target, basic(user)).status in (400, 403, 404)


@pytest.mark.parametrize("target", ["/ready", "http://test/ready", "/%72eady"])
def test_what_is_open_is_open(server: LodurServer, target: str) -> None:
    assert ask(server.port, "GET", target).status == 200
    # Whoever shows credentials there is not asked for them, wrong ones included.
    assert ask(server.port, "GET", target, bearer("guess-of-a-wrong-token")).status == 200


WRONG = {
    "wrong password": basic("reader", "guess-1"),
    "empty password": basic("reader", ""),
    "password with more": basic("reader", PASSWORDS["reader"] + "x"),
    "password with a zero byte": basic("reader", PASSWORDS["reader"] + "\0x"),
    "other user's password": basic("reader", PASSWORDS["ops"]),
    "other case": basic("READER", PASSWORDS["reader"]),
    "unknown user": basic("stranger", "guess-2"),
    "no user": basic("", PASSWORDS["reader"]),
    "the hash for the password": basic("reader", HASHES["reader"]),
    "a long password": basic("reader", "guess-" * 700),
    "no colon": {"Authorization": "Basic " + base64.b64encode(b"reader").decode()},
    "no base64": {"Authorization": "Basic reader:pass-of-reader"},
    "base64 of another alphabet": {"Authorization": "Basic -_-_"},
    "no UTF-8": {"Authorization": "Basic " + base64.b64encode(b"\xff\xfe:x").decode()},
    "nothing after the scheme": {"Authorization": "Basic"},
    "an empty header": {"Authorization": ""},
    "another scheme": {"Authorization": "Negotiate abc"},
    "a token as password": basic("robot", TOKEN),
    "a password as token": bearer(PASSWORDS["reader"]),
    "a part of a token": bearer(TOKEN[:-1]),
    "a token with more": bearer(TOKEN + "0"),
    "a token in other case": bearer(TOKEN.upper()),
    "no token": {"Authorization": "Bearer "},
    "two values in one header": {"Authorization": f"Bearer {TOKEN}, Bearer x"},
    "a header of 9 KiB": bearer("guess-" * 1600),
    "another header's name": {"X-Authorization": READER["Authorization"]},
    "the proxy's header": {"Proxy-Authorization": READER["Authorization"]},
    "a user in the header of a proxy": {"X-Forwarded-User": "ops", "X-Remote-User": "ops", "Remote-User": "ops"},
}


@pytest.mark.parametrize("headers", WRONG.values(), ids=WRONG.keys())
def test_nobody_gets_in_with_wrong_credentials(server: LodurServer, headers: dict[str, str]) -> None:
    answer = ask(server.port, "GET", LABELS, {**headers, "X-Scope-OrgID": "a"})
    assert answer.status == 401
    assert [secret for secret in SECRETS if secret in answer.text] == []


def raw(server: LodurServer, *lines: str, body: bytes = b"", target: str = LABELS, method: str = "GET") -> Answer:
    head = "\r\n".join((f"{method} {target} HTTP/1.1", "Host: test", "Connection: close", *lines))
    return exchange(server.port, head.encode("latin-1") + b"\r\n\r\n" + body)


def test_two_authorization_headers_are_none(server: LodurServer) -> None:
    right, wrong = f"Authorization: {READER['Authorization']}", "Authorization: Basic eDp5"
    assert raw(server, right, wrong).status == 400
    assert raw(server, wrong, right).status == 400
    assert raw(server, right, right).status == 400


TENANTS = {
    "another tenant": ["X-Scope-OrgID: c"],
    "one of two is another": ["X-Scope-OrgID: a|c"],
    "a sub-tenant of another": ["X-Scope-OrgID: c:a"],
    "two headers": ["X-Scope-OrgID: a", "X-Scope-OrgID: c"],
    "two headers in other order": ["X-Scope-OrgID: c", "X-Scope-OrgID: a"],
    "two headers, one empty": ["X-Scope-OrgID: ", "X-Scope-OrgID: c"],
    "two headers in other case": ["X-Scope-OrgID: a", "x-scope-orgid: c"],
    "a list with commas": ["X-Scope-OrgID: a,c"],
    "other case": ["X-Scope-OrgID: A"],
    "a path": ["X-Scope-OrgID: a/../c"],
    "another tenant in percent": ["X-Scope-OrgID: %63"],
    "every tenant": ["X-Scope-OrgID: *"],
    "only separators": ["X-Scope-OrgID: |"],
    "the anonymous tenant": ["X-Scope-OrgID: fake"],
    "a header that goes on in the next line": ["X-Scope-OrgID: a", " |c"],
    "a space before the colon": ["X-Scope-OrgID : c"],
}


@pytest.mark.parametrize("lines", TENANTS.values(), ids=TENANTS.keys())
def test_nobody_acts_for_another_tenant(server: LodurServer, lines: list[str]) -> None:
    answer = raw(server, f"Authorization: {READER['Authorization']}", *lines)
    assert answer.status in (400, 401, 403)


@pytest.mark.parametrize("name", ["X_Scope_OrgID", "X-Scope-Org-ID", "X-Tenant"])
def test_other_names_of_the_header_mean_nothing(server: LodurServer, name: str) -> None:
    """The tenant is the default one."""
    entry = {"streams": [{"stream": {"app": "default"}, "values": [["1", "x"]]}]}
    assert ask(server.port, "GET", LABELS, {**READER, name: "c"}).status == 200
    assert ask(server.port, "POST", PUSH, {**WRITER, **JSON, name: "c"}, json.dumps(entry).encode()).status != 403


RIGHTS = {
    "a reader pushes": ("POST", PUSH, READER, 403),
    "a writer asks": ("GET", LABELS, WRITER, 403),
    "a reader flushes": ("POST", "/flush", READER, 403),
    "a writer flushes": ("POST", "/flush", WRITER, 403),
    "a machine flushes": ("POST", "/flush", bearer(), 403),
    "a reader stops the server": ("POST", "/ingester/shutdown", READER, 403),
    "a reader reads the configuration": ("GET", "/config", READER, 403),
    "a writer reads the metrics": ("GET", "/metrics", WRITER, 403),
    "a user without rights asks": ("GET", LABELS, NOBODY, 403),
    "a user without rights pushes": ("POST", PUSH, NOBODY, 403),
    "a reader asks": ("GET", LABELS, READER, 200),
    "a writer pushes": ("POST", PUSH, WRITER | JSON, 204),
    "a machine asks": ("GET", LABELS, bearer() | {"X-Scope-OrgID": "b"}, 200),
    "a machine names no tenant": ("GET", LABELS, bearer(), 401),
    "an operator flushes": ("POST", "/flush", OPS, 204),
    "an operator reads the configuration": ("GET", "/config", OPS, 200),
    "an operator acts for anybody": ("GET", LABELS, OPS | {"X-Scope-OrgID": "whoever"}, 200),
    "an operator names no tenant": ("GET", LABELS, OPS, 401),
    "a reader asks for both": ("GET", LABELS, READER | {"X-Scope-OrgID": "b|a"}, 200),
    "a scheme in other case": ("GET", LABELS, {"authorization": f"bEARER {TOKEN}", "x-scope-orgid": "a"}, 200),
    "a hash of Apache's own": ("GET", LABELS, basic("old"), 200),
    "a hash of SHA-1": ("GET", LABELS, basic("sha"), 200),
    "a hash of crypt": ("GET", LABELS, basic("crypt"), 200),
}  # fmt: skip


@pytest.mark.parametrize(("method", "target", "headers", "status"), RIGHTS.values(), ids=RIGHTS.keys())
def test_rights(server: LodurServer, method: str, target: str, headers: dict[str, str], status: int) -> None:
    assert ask(server.port, method, target, headers, BODY if method == "POST" else None).status == status


def test_what_is_written_for_the_default_tenant_is_found_there_only(server: LodurServer, now_ns: int) -> None:
    push = {"streams": [{"stream": {"app": "mine"}, "values": [[str(now_ns), "hello"]]}]}
    assert ask(server.port, "POST", PUSH, WRITER | JSON, json.dumps(push).encode()).status == 204
    assert "app" in ask(server.port, "GET", LABELS, READER).text
    assert "app" not in ask(server.port, "GET", LABELS, READER | {"X-Scope-OrgID": "b"}).text


SMUGGLED = f"GET /config HTTP/1.1\r\nHost: x\r\nAuthorization: {READER['Authorization']}\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        (["Content-Length: 4", "Transfer-Encoding: chunked"], b"0\r\n\r\n" + SMUGGLED),
        (["Transfer-Encoding: chunked", "Content-Length: 4"], b"0\r\n\r\n" + SMUGGLED),
        (["Content-Length: 0", "Content-Length: 5"], SMUGGLED),
        (["Transfer-Encoding: xchunked"], b"0\r\n\r\n" + SMUGGLED),
        (["Transfer-Encoding : chunked"], b"0\r\n\r\n" + SMUGGLED),
        (["Content-Length: +5"], SMUGGLED),
        (["Content-Length: -1"], SMUGGLED),
        ([], SMUGGLED),
    ],
)
def test_a_request_in_a_request_is_judged_by_itself(server: LodurServer, lines: list[str], body: bytes) -> None:
    head = "\r\n".join((f"POST {PUSH} HTTP/1.1", "Host: test", f"Authorization: {WRITER['Authorization']}", *lines))
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head.encode() + b"\r\n\r\n" + body)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(65_536):
                received += part
    # The configuration begins with its first key.
    assert b"auth_enabled" not in received


def test_each_request_of_a_connection_shows_its_own_credentials(server: LodurServer) -> None:
    good = f"GET {LABELS} HTTP/1.1\r\nHost: x\r\nAuthorization: {READER['Authorization']}\r\n\r\n"
    bad = f"GET {LABELS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall((good + bad).encode())
        received = b""
        while part := connection.recv(65_536):
            received += part
    assert re.findall(rb"HTTP/1.1 (\d+)", received) == [b"200", b"401"]


@pytest.mark.parametrize(
    "lines",
    [
        [f"X-Long: {'x' * 600_000}"],
        [f"Authorization: Basic {'eDp5' * 150_000}"],
        [f"X-{number}: x" for number in range(5_000)],
        [f"X-Scope-OrgID: {'a' * 300_000}"],
    ],
    ids=["one header", "credentials", "many headers", "tenant"],
)
def test_headers_beyond_measure_are_refused(server: LodurServer, lines: list[str]) -> None:
    assert raw(server, *lines).status in (0, 400, 401, 431)
    assert raw(server, f"Authorization: {READER['Authorization']}", *lines).status in (0, 400, 431)


def test_an_upgrade_needs_credentials_too(server: LodurServer) -> None:
    upgrade = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    for target in ("/loki/api/v1/tail?query=%7Ba%3D%22b%22%7D", "/ready", "/config", "/nothing"):
        head = "\r\n".join((f"GET {target} HTTP/1.1", "Host: test", *upgrade, key)) + "\r\n\r\n"
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(head.encode())
            assert b" 101 " not in connection.recv(65_536).partition(b"\r\n")[0]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (WRITER, 403),
        (READER | {"X-Scope-OrgID": "c"}, 403),
        (basic("reader", "guess-3"), 401),
        ({}, 401),
        (READER, 101),
        (bearer() | {"X-Scope-OrgID": "b"}, 101),
    ],
    ids=["a writer", "another tenant", "a wrong password", "nobody", "a reader", "a machine"],
)
def test_who_may_tail(server: LodurServer, headers: dict[str, str], status: int) -> None:
    url = f"ws://127.0.0.1:{server.port}/loki/api/v1/tail?query=%7Ba%3D%22b%22%7D"
    try:
        with connect(url, additional_headers=headers, proxy=None) as connection:
            assert connection.response is not None
            answered = connection.response.status_code
    except InvalidStatus as refused:
        answered = refused.response.status_code
    assert answered == status


def test_who_dribbles_headers_keeps_nobody_out(server: LodurServer) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
            slow.sendall(f"GET {LABELS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bas".encode())
        for _ in range(20):
            assert ask(server.port, "GET", LABELS, READER).status == 200
            assert ask(server.port, "GET", LABELS).status == 401


def test_guessing_is_slowed_down_and_hinders_nobody_else(server: LodurServer) -> None:
    assert ask(server.port, "GET", LABELS, basic("busy")).status == 200
    answers = [ask(server.port, "GET", LABELS, basic("busy", f"guess-{number}")) for number in range(60)]
    assert {answer.status for answer in answers} == {401, 429}
    refused = answers[-1]
    assert refused.status == 429
    assert refused.text == "too many failed logins, come again later\n"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    # Who was let in stays in, and so do others.
    assert ask(server.port, "GET", LABELS, basic("busy")).status == 200
    assert ask(server.port, "GET", LABELS, bearer() | {"X-Scope-OrgID": "a"}).status == 200
    assert ask(server.port, "GET", LABELS, READER).status == 200


def test_rights_change_within_moments(server: LodurServer) -> None:
    def ask_labels(tenant: str) -> int:
        return ask(server.port, "GET", LABELS, basic("nobody") | {"X-Scope-OrgID": tenant}).status

    def write(text: str) -> None:
        (server.directory / "users.new").write_text(text)
        (server.directory / "users.new").rename(server.directory / "users.yaml")

    assert ask_labels("b") == 403
    write("users: {nobody: {tenants: [b], rights: [read]}}")
    wait_until(lambda: ask_labels("b") == 200, deadline_s=10, what="the new right")
    assert ask_labels("a") == 403
    write("users: {nobody: {tenants: [b], rights: [rread]}}")
    wait_until(
        lambda: ask_labels("b") == 200 and "unrecognized right 'rread'" in server.log(),
        deadline_s=10,
        what="the complaint about the broken file",
    )
    assert ask_labels("b") == 200
    write("users: {}")
    wait_until(lambda: ask_labels("b") == 403, deadline_s=10, what="the loss of the right")


def test_a_changed_file_counts_within_moments(server: LodurServer) -> None:
    assert ask(server.port, "GET", LABELS, basic("late")).status == 200
    write_htpasswd(server.directory, {user: hashed for user, hashed in HASHES.items() if user != "late"})
    wait_until(
        lambda: ask(server.port, "GET", LABELS, basic("late")).status in (401, 429), deadline_s=10, what="the lock-out"
    )
    (server.directory / "htpasswd").write_text("this is no line of such a file\n")
    wait_until(
        lambda: "the old ones stay in force" in (ask(server.port, "GET", LABELS, READER).text + server.log()),
        deadline_s=10,
        what="the complaint about the broken file",
    )
    assert ask(server.port, "GET", LABELS, READER).status == 200
    write_htpasswd(server.directory, HASHES)


def test_nothing_secret_is_shown(server: LodurServer) -> None:
    shown = ask(server.port, "GET", "/config", OPS).text
    assert "htpasswd_file: htpasswd" in shown
    shown += ask(server.port, "GET", "/metrics", OPS).text
    assert "lodur_access_refusals_total" in shown
    assert [secret for secret in SECRETS if secret in shown] == []
