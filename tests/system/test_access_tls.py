"""TLS from the wrong side: plain text, old protocols, wrong certificates, none at all, handshakes that never end."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from tests.servers.lodur import LODUR, LodurServer
from tests.servers.raw_http import Answer, parse_answer, request_bytes

CONFIG = """
auth_enabled: false
server:
  http_tls_config:
    cert_file: server.pem
    key_file: server.key
    client_auth_type: {client_auth}
    client_ca_file: clients.pem
"""


@dataclass(frozen=True, slots=True)
class Authorities:
    """Who signs for the server, for its clients, and for nobody."""

    directory: Path
    of_server: trustme.CA
    of_clients: trustme.CA

    def client_file(self, name: str, authority: trustme.CA, *, expired: bool = False) -> Path:
        """A client's certificate and key."""
        path = self.directory / f"{name}.pem"
        not_after = datetime(2001, 1, 1, tzinfo=UTC) if expired else None
        authority.issue_cert(f"{name}@test", not_after=not_after).private_key_and_cert_chain_pem.write_to_path(path)
        return path


@pytest.fixture(scope="module", params=["RequireAndVerifyClientCert", "VerifyClientCertIfGiven"])
def client_auth(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory, client_auth: str) -> Authorities:
    made = Authorities(tmp_path_factory.mktemp(f"tls-{client_auth}"), trustme.CA(), trustme.CA())
    issued = made.of_server.issue_cert("localhost", "127.0.0.1")
    issued.private_key_pem.write_to_path(made.directory / "server.key")
    issued.cert_chain_pems[0].write_to_path(made.directory / "server.pem")
    made.of_clients.cert_pem.write_to_path(made.directory / "clients.pem")
    return made


@pytest.fixture(scope="module")
def server(authorities: Authorities, client_auth: str) -> Iterator[LodurServer]:
    server = LodurServer(authorities.directory, config_text=CONFIG.format(client_auth=client_auth))
    context = authorities_context(authorities)
    context.load_cert_chain(authorities.client_file("prober", authorities.of_clients))

    def is_ready() -> bool:
        with contextlib.suppress(OSError):
            return ask(server, context).status == 200
        return False

    server.process.start()
    server.process.wait_ready(is_ready, deadline_s=30)
    yield server
    assert is_ready(), "the server does not serve any more"
    server.kill()


def authorities_context(authorities: Authorities) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authorities.of_server.configure_trust(context)
    return context


def ask(server: LodurServer, context: ssl.SSLContext) -> Answer:
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    with plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
        connection.sendall(request_bytes("GET", "/ready"))
        received = b""
        while part := connection.recv(65_536):
            received += part
        return parse_answer(received)


def refused(server: LodurServer, context: ssl.SSLContext) -> bool:
    try:
        return ask(server, context).status == 0
    except (ssl.SSLError, ConnectionError):
        return True


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_with_its_certificate_is_served(
    server: LodurServer, authorities: Authorities, version: ssl.TLSVersion
) -> None:
    context = authorities_context(authorities)
    context.minimum_version = context.maximum_version = version
    context.load_cert_chain(authorities.client_file("right", authorities.of_clients))
    assert ask(server, context).status == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_without_one_is_served_where_that_is_allowed(
    server: LodurServer, authorities: Authorities, client_auth: str, version: ssl.TLSVersion
) -> None:
    context = authorities_context(authorities)
    context.maximum_version = version
    assert refused(server, context) is (client_auth == "RequireAndVerifyClientCert")


def test_a_certificate_of_somebody_else_is_refused(server: LodurServer, authorities: Authorities) -> None:
    context = authorities_context(authorities)
    context.load_cert_chain(authorities.client_file("stranger", trustme.CA()))
    assert refused(server, context)


def test_the_authority_of_the_server_does_not_sign_for_clients(server: LodurServer, authorities: Authorities) -> None:
    context = authorities_context(authorities)
    context.load_cert_chain(authorities.client_file("neighbour", authorities.of_server))
    assert refused(server, context)


def test_an_expired_certificate_is_refused(server: LodurServer, authorities: Authorities) -> None:
    context = authorities_context(authorities)
    context.load_cert_chain(authorities.client_file("late", authorities.of_clients, expired=True))
    assert refused(server, context)


def test_a_client_that_trusts_others_does_not_go_on(server: LodurServer) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        ask(server, ssl.create_default_context())


def test_the_command_line_shows_its_certificate(
    server: LodurServer, authorities: Authorities, client_auth: str
) -> None:
    ca_file = authorities.directory / "ca.pem"
    authorities.of_server.cert_pem.write_to_path(ca_file)
    client = authorities.client_file("person", authorities.of_clients)
    address = f"--addr=https://127.0.0.1:{server.port}"

    def said(*words: str) -> tuple[int, str]:
        environment = {"PATH": "/bin", "LOKI_CA_CERT_PATH": str(ca_file)}
        ran = subprocess.run(
            [LODUR, "labels", address, *words], capture_output=True, text=True, check=False, env=environment, timeout=60
        )
        return ran.returncode, ran.stderr

    assert said("--cert", str(client)) == (0, "")
    assert said()[0] == (1 if client_auth == "RequireAndVerifyClientCert" else 0)
    code, text = said("--ca-cert", str(authorities.directory / "clients.pem"), "--cert", str(client))
    assert code == 1
    assert "--ca-cert names a file of the authorities" in text
    unverified = said("--ca-cert", "", "--tls-skip-verify", "--cert", str(client))
    assert unverified == (0, "")
    code, text = said("--cert", str(authorities.directory / "server.pem"), "--key", str(client))
    assert code == 1
    assert "cannot be used for TLS" in text


@pytest.mark.parametrize(
    "sent",
    [
        request_bytes("GET", "/ready"),
        b"\x16\x03\x01\x00\x05hello",
        b"\x16\x03\x01\xff\xff" + b"\x01" * 70_000,
        b"\x80\x2e\x01\x00\x02" + b"\x00" * 50,
        b"\x00" * 1000,
        b"\x15\x03\x03\x00\x02\x02\x28",
    ],
    ids=["plain text", "no handshake", "a long one", "SSL 2", "zeros", "an alert"],
)
def test_what_is_no_tls_gets_no_answer(server: LodurServer, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        received = b""
        with contextlib.suppress(OSError):
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65_536):
                received += part
    assert b"HTTP" not in received
    assert b"ready" not in received


def test_handshakes_that_never_end_keep_nobody_out(server: LodurServer, authorities: Authorities) -> None:
    context = authorities_context(authorities)
    context.load_cert_chain(authorities.client_file("patient", authorities.of_clients))
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
            slow.sendall(b"\x16\x03\x01\x02\x00\x01")
        for _ in range(10):
            assert ask(server, context).status == 200
