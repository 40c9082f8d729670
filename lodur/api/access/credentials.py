"""Read the files of credentials: Apache's htpasswd, and tokens as `name:token` lines.

No message of this module repeats what stands after a colon. Start at `read_credentials`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from passlib.context import CryptContext

from lodur.model.errors import InvalidRequest

FILE_BYTES_MAX = 1024 * 1024
"""Some ten thousand users; a larger file is not one of credentials."""

TOKEN_CHARS_MIN = 16
"""Tokens are not guarded by a slow hash, so they must not be guessable: 64 random bits in hex."""

HASHES = CryptContext(schemes=["bcrypt", "apr_md5_crypt", "ldap_sha1", "sha256_crypt", "sha512_crypt"])
"""The forms that `htpasswd` and `openssl passwd` write, but for plain text and DES."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """One reading of the files."""

    password_hashes: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By user name, as they stand in the file."""
    token_users: Mapping[bytes, str] = field(default_factory=dict, repr=False)
    """User names by the keyed digest of their tokens; the tokens themselves are not kept."""

    def users(self) -> frozenset[str]:
        return frozenset((*self.password_hashes, *self.token_users.values()))


def read_credentials(htpasswd_file: Path | None, tokens_file: Path | None, *, key: bytes) -> Credentials:
    """What both files hold. Raises InvalidRequest with file and line, and OSError."""
    return Credentials(
        {} if htpasswd_file is None else _password_hashes(htpasswd_file),
        {} if tokens_file is None else _token_users(tokens_file, key),
    )


def token_digest(token: str, key: bytes) -> bytes:
    """What is kept of a token. Without the key nobody can choose tokens whose digests resemble another's, so that the
    time of a search by digest says nothing about the tokens that are there."""
    return hashlib.blake2b(token.encode("utf-8", "surrogateescape"), key=key, digest_size=32).digest()


def _password_hashes(path: Path) -> dict[str, str]:
    hashes: dict[str, str] = {}
    for line, name, hashed in _pairs(path):
        if name in hashes:
            raise InvalidRequest(f"{path}: line {line}: user '{name}' is there twice")
        if HASHES.identify(hashed) is None:
            raise InvalidRequest(
                f"{path}: line {line}: the password of user '{name}' is in no form that is read; "
                "bcrypt is best: htpasswd -B"
            )
        hashes[name] = hashed
    return hashes


def _token_users(path: Path, key: bytes) -> dict[bytes, str]:
    users: dict[bytes, str] = {}
    for line, name, token in _pairs(path):
        if len(token) < TOKEN_CHARS_MIN or not (token.isascii() and token.isprintable()) or " " in token:
            raise InvalidRequest(
                f"{path}: line {line}: the token of user '{name}' is none; "
                f"use {TOKEN_CHARS_MIN} or more printable characters without spaces: openssl rand -hex 32"
            )
        digest = token_digest(token, key)
        if users.get(digest, name) != name:
            raise InvalidRequest(f"{path}: line {line}: user '{name}' has the token of another user")
        users[digest] = name
    return users


def _pairs(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line number, user name and secret of each line that holds something."""
    with path.open("rb") as file:
        raw = file.read(FILE_BYTES_MAX + 1)
    if len(raw) > FILE_BYTES_MAX:
        raise InvalidRequest(f"{path}: larger than {FILE_BYTES_MAX} bytes")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InvalidRequest(f"{path}: line {line}: invalid UTF-8") from None
    for number, line_text in enumerate(text.splitlines(), 1):
        stripped = line_text.strip()
        if not stripped or stripped.startswith("#"):
            continue
        name, colon, secret = stripped.partition(":")
        if not (name and colon and secret):
            raise InvalidRequest(f"{path}: line {number}: not of the form name:secret")
        yield number, name, secret
