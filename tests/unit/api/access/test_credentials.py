"""Files of credentials: what is read, what is refused, and what no message says."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from lodur.api.access.credential_files import CredentialFiles
from lodur.api.access.credentials import Credentials, read_credentials, token_digest
from lodur.api.access.options import NO_GRANT, AccessOptions, Grant, Right
from lodur.config.users_file import read_users
from lodur.model.clock import ManualClock
from lodur.model.errors import InvalidRequest
from lodur.model.tenant import TenantId

KEY = bytes(32)
HASH = "$2y$05$mhjOnTtQ/tS4atg63OeR0..bYTb6Nqb63j8V90D3QtwMUi1.wC5mq"
TOKEN = "a-token-of-some-length"


def read(directory: Path, *, htpasswd: str | bytes | None = None, tokens: str | None = None) -> Credentials:
    passwords_file, tokens_file = directory / "htpasswd", directory / "tokens"
    if htpasswd is not None:
        passwords_file.write_bytes(htpasswd if isinstance(htpasswd, bytes) else htpasswd.encode())
    if tokens is not None:
        tokens_file.write_text(tokens)
    return read_credentials(
        passwords_file if htpasswd is not None else None, tokens_file if tokens is not None else None, key=KEY
    )


def test_what_is_read(tmp_path: Path) -> None:
    others = "bo:{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI= \nchris:$apr1$SglmFHn8$LbOCi3YQf3O6m1afJrKnv1"
    text = f"# people\r\n\r\nana:{HASH}\r\n {others}"
    found = read(tmp_path, htpasswd=text, tokens=f"robot:{TOKEN}\nrobot:another-token-of-it\nana:third-token-for-ana\n")
    assert list(found.password_hashes) == ["ana", "bo", "chris"]
    assert found.token_users[token_digest(TOKEN, KEY)] == "robot"
    assert found.users() == {"ana", "bo", "chris", "robot"}
    assert TOKEN not in repr(found)
    assert HASH not in repr(found)


@pytest.mark.parametrize(
    ("htpasswd", "text"),
    [
        ("ana", "line 1: not of the form name:secret"),
        (":x", "line 1: not of the form name:secret"),
        ("ana:", "line 1: not of the form name:secret"),
        ("ana:plain-secret", "line 1: the password of user 'ana' is in no form that is read"),
        (f"ana:{HASH}\nana:{HASH}", "line 2: user 'ana' is there twice"),
        (b"ana:x\n\xff", "line 2: invalid UTF-8"),
        (b"#" * 2_000_000, "larger than"),
    ],
)
def test_what_is_no_htpasswd_file(tmp_path: Path, htpasswd: str | bytes, text: str) -> None:
    with pytest.raises(InvalidRequest, match=text) as refused:
        read(tmp_path, htpasswd=htpasswd)
    assert "plain-secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ("robot:shortsecret", "none; use 16 or more"),
        ("robot:a secret with spaces", "none; use 16 or more"),
        ("robot:ünicode-secret-text", "none; use 16 or more"),
        (f"robot:{TOKEN}\nother:{TOKEN}", "line 2: user 'other' has the token of another user"),
    ],
)
def test_what_is_no_tokens_file(tmp_path: Path, tokens: str, text: str) -> None:
    with pytest.raises(InvalidRequest, match=text) as refused:
        read(tmp_path, tokens=tokens)
    assert "secret" not in str(refused.value)
    assert TOKEN not in str(refused.value)


def test_files_are_looked_at_again(tmp_path: Path) -> None:
    path, clock = tmp_path / "tokens", ManualClock(10**9)
    path.write_text(f"robot:{TOKEN}\n")
    files = CredentialFiles(AccessOptions(tokens_file=path), key=KEY, clock=clock)

    def users_after(seconds: float) -> frozenset[str]:
        clock.advance(seconds)
        return asyncio.run(files.current()).users()

    def replace(text: str) -> None:
        (tmp_path / "new").write_text(text)
        os.replace(tmp_path / "new", path)

    replace(f"robot:{TOKEN}\nsecond:another-token-of-it\n")
    assert users_after(0.5) == {"robot"}
    assert users_after(0.6) == {"robot", "second"}
    replace("broken")
    assert users_after(2) == {"robot", "second"}
    path.unlink()
    assert users_after(2) == {"robot", "second"}
    replace("third:a-token-that-is-new\n")
    assert users_after(2) == {"third"}


def test_rights_change_with_their_file(tmp_path: Path) -> None:
    tokens, users, clock = tmp_path / "tokens", tmp_path / "users.yaml", ManualClock(10**9)
    tokens.write_text(f"robot:{TOKEN}\n")
    users.write_text("users: {robot: {tenants: [a], rights: [read]}}")
    fixed = {"robot": NO_GRANT, "other": Grant(frozenset({Right.ADMIN}), every_tenant=True)}
    options = AccessOptions(tokens_file=tokens, users_file=users, grants=fixed)
    files = CredentialFiles(options, key=KEY, clock=clock, read_users=read_users)
    a, b = TenantId("a"), TenantId("b")
    assert files.grant_of("robot") == Grant(frozenset({Right.READ}), frozenset({a}), default_tenant=a)
    assert files.grant_of("other") == fixed["other"]
    assert files.grant_of("nobody") == NO_GRANT

    def grant_after(text: str) -> Grant:
        (tmp_path / "new").write_text(text)
        os.replace(tmp_path / "new", users)
        clock.advance(2)
        asyncio.run(files.current())
        return files.grant_of("robot")

    new = Grant(frozenset({Right.WRITE}), frozenset({b}), default_tenant=b)
    assert grant_after("users: {robot: {tenants: [b], rights: [write]}}") == new
    assert grant_after("users: {robot: {tenants: [b], rights: [wrote]}}") == new
    assert grant_after("users: [") == new
    assert grant_after("") == NO_GRANT


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            b"users: {x: {rights: [reed]}}",
            r"yaml: unmarshal errors:\n  line 1: .*unrecognized right 'reed'",
        ),
        (b"user: {}", "field user not found in type lodur.AccessUsersFile"),
        (b"users: {x: ", "users.yaml: yaml: line 1: "),
        (b"\xff", "invalid UTF-8"),
    ],
)
def test_what_is_no_file_of_users(tmp_path: Path, text: bytes, told: str) -> None:
    (tmp_path / "users.yaml").write_bytes(text)
    with pytest.raises(InvalidRequest, match=told):
        read_users(tmp_path / "users.yaml")


def test_a_missing_file_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        CredentialFiles(AccessOptions(htpasswd_file=tmp_path / "none"), key=KEY, clock=ManualClock())
