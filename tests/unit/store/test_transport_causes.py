"""Errors of transport name their cause, as real servers and the lack of one bring it about, and no secret."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lodur.app.store_waiting import reason_to_wait
from lodur.model.errors import Unavailable
from lodur.store.cloud_clients import open_object_store
from lodur.store.object_store import ObjectStore
from lodur.store.options import HttpOptions, RetryOptions, S3Options
from lodur.store.transport_causes import transport_cause
from tests.servers.small_servers import PlainServer, TlsServer

WHOLE_HEADER = (
    b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\nETag: "x"\r\nLast-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n\r\n'
)


def store_at(url: str, directory: Path, *, ca_file: Path | None = None, timeout_s: float = 30.0) -> ObjectStore:
    options = S3Options(
        "b",
        region="eu",
        endpoint_url=url,
        access_key_id="AKIAHUSH",
        secret_access_key="hush",
        path_style=True,
        allow_http=True,
        http=HttpOptions(timeout_s=timeout_s, ca_file=ca_file),
        retries=RetryOptions(retries_max=0),
    )
    return open_object_store(options, spool_directory=directory / "spool")


def said(ask: Callable[[], object]) -> str:
    with pytest.raises(Unavailable) as caught:
        ask()
    return str(caught.value)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    assert isinstance(port, int)
    return port


@contextmanager
def answering(data: bytes, *, then_silent: bool = False) -> Iterator[str]:
    """The address of a server that answers whatever comes with these bytes, and then closes or keeps the connection."""
    stopping = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            self.request.sendall(data)
            if then_silent:
                stopping.wait()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            stopping.set()
            server.shutdown()


def test_nobody_listens(tmp_path: Path) -> None:
    store = store_at(f"http://127.0.0.1:{free_port()}", tmp_path)
    for ask in (lambda: store.list_folders(""), lambda: store.get("x"), lambda: store.replace_if("x", b"x", None)):
        assert " failed: connection refused (" in said(ask)


def test_who_asks_with_which_password_is_not_told(tmp_path: Path) -> None:
    told = said(lambda: store_at(f"http://somebody:hush@127.0.0.1:{free_port()}", tmp_path).get("x"))
    assert "connection refused (" in told
    assert "http://...@127.0.0.1:" in told
    for secret in ("hush", "HUSH", "somebody"):
        assert secret not in told


def test_a_host_that_is_not_there(tmp_path: Path) -> None:
    assert "the host's name cannot be resolved: " in said(lambda: store_at("http://nosuch.invalid", tmp_path).get("x"))


@pytest.mark.parametrize("sent", [b"", WHOLE_HEADER, WHOLE_HEADER + b"half"])
def test_a_server_that_falls_silent(tmp_path: Path, sent: bytes) -> None:
    with answering(sent, then_silent=True) as url:
        assert " failed: timed out (" in said(lambda: store_at(url, tmp_path, timeout_s=0.3).get("x"))


@pytest.mark.parametrize(
    ("sent", "cause"),
    [
        (WHOLE_HEADER + b"half", "the connection was closed before the answer was complete"),
        (b"HTTP/1.1 200 OK", "the connection was closed before the answer was complete"),
        (b"SSH-2.0-OpenSSH\r\n", "what answers there does not speak HTTP"),
    ],
)
def test_a_server_that_is_none_or_goes_away(tmp_path: Path, sent: bytes, cause: str) -> None:
    with answering(sent) as url:
        assert f" failed: {cause} (" in said(lambda: store_at(url, tmp_path).get("x"))


def test_a_server_without_tls(tmp_path: Path) -> None:
    with PlainServer(lambda *_: (200, b"")) as server:
        told = said(lambda: store_at(server.url.replace("http:", "https:"), tmp_path).get("x"))
        assert " failed: TLS handshake failed: what answers there does not speak TLS (" in told


def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    with TlsServer(tmp_path, lambda *_: (404, b"")) as server:
        told = said(lambda: store_at(server.url, tmp_path).get("x"))
        assert " failed: certificate verify failed: unknown issuer (" in told
        assert store_at(server.url, tmp_path, ca_file=server.ca_file).get("x") is None
        elsewhere = server.url.replace("localhost", "0.0.0.0")
        told = said(lambda: store_at(elsewhere, tmp_path, ca_file=server.ca_file).get("x"))
        assert " failed: certificate verify failed: not valid for name (" in told


def test_ready_tells_the_cause(tmp_path: Path) -> None:
    options = store_at(f"http://127.0.0.1:{free_port()}", tmp_path)
    reason = reason_to_wait(options.check)
    assert reason is not None
    assert reason.startswith("the object store does not answer: s3 bucket b: list / failed: connection refused (")


@pytest.mark.parametrize(
    ("debug", "cause"),
    [
        (
            "HttpError { kind: Timeout, source: reqwest::Error { source: hyper_util::client::legacy::Error( Connect, "
            'ConnectError( "tcp connect error", Custom { kind: TimedOut, error: Elapsed( (), ), }, ), ), }, }',
            "timed out while connecting",
        ),
        (
            "HttpError { kind: Connect, source: Custom { error: AlertReceived( HandshakeFailure, ), }, }",
            "TLS handshake failed: handshake failure",
        ),
        (
            "HttpError { kind: Connect, source: InvalidCertificate( ExpiredContext { time: UnixTime( 1, ), } ) }",
            "certificate verify failed: expired",
        ),
        ("HttpError { kind: Connect, source: Something, }", "no connection"),
        ("HttpError { kind: Unknown, source: Something, }", ""),
        ("RetryErrorImpl { uri: Some( http://x/InvalidCertificate(Hush, ), inner: Status { status: 500, } }", ""),
        ("", ""),
    ],
)
def test_causes_that_no_server_here_brings_about(debug: str, cause: str) -> None:
    assert transport_cause(debug) == cause
