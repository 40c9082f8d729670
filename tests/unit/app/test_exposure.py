"""What the server says at its start of who may do what without being asked who they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from lodur.app.serve import warn_of_exposure
from lodur.config.loading import load_server_config

EVERYBODY = "everybody who reaches this address may read and write: lodur.access names no users"
IN_THE_CLEAR = "passwords and tokens cross the network in the clear: server.http_tls_config is empty"
USERS = "lodur: {access: {tokens_file: t, users: {x: {rights: [read]}}}}"
TLS = "cert_file: c, key_file: k"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("server: {http_listen_address: 127.0.0.1}", []),
        ("server: {http_listen_address: localhost}", []),
        ("server: {http_listen_address: '::1'}", []),
        ("auth_enabled: false", [EVERYBODY]),
        # A tenant's name is no credential.
        ("auth_enabled: true", [EVERYBODY]),
        ("server: {http_listen_address: 192.0.2.1}", [EVERYBODY]),
        (f"server: {{http_tls_config: {{{TLS}}}}}", [EVERYBODY]),
        (
            f"server: {{http_tls_config: {{{TLS}, client_auth_type: VerifyClientCertIfGiven, client_ca_file: a}}}}",
            [EVERYBODY],
        ),
        (
            f"server: {{http_tls_config: {{{TLS}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: a}}}}",
            [],
        ),
        (USERS, [IN_THE_CLEAR]),
        (f"{USERS}\nserver: {{http_listen_address: 127.0.0.1}}", []),
        (f"{USERS}\nserver: {{http_tls_config: {{{TLS}}}}}", []),
    ],
)
def test_exposure(tmp_path: Path, text: str, said: list[str]) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with capture_logs() as logged:
        warn_of_exposure(load_server_config([], {}, tmp_path).config)
    assert [event["event"] for event in logged] == said
