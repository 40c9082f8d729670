"""Signatures of requests to AWS' services (Signature Version 4), whose content is signed with them.

Follows AWS' description, "Create a signed AWS API request", for services other than S3: the path is escaped twice.
Start at `sign`.
"""

from __future__ import annotations

import hashlib
import hmac
import posixpath
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote

from lodur.model.durations import NS_PER_S
from lodur.wire.client_auth import SigV4

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a signature covers."""

    method: str
    path: str
    """As it is sent, with its escapes."""
    query: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    """All of them; `Host`, `Content-Type` and those of AWS are signed: others may change on the way."""
    body: bytes = field(repr=False)


def sign(request: SignedRequest, auth: SigV4, now_ns: int) -> dict[str, str]:
    """The headers to add, or to put in the place of earlier ones. Raises OSError for a secret that cannot be read."""
    time = f"{datetime.fromtimestamp(now_ns // NS_PER_S, UTC):%Y%m%dT%H%M%SZ}"
    added = {"X-Amz-Date": time}
    token = auth.session_token.read()
    if token:
        added["X-Amz-Security-Token"] = token
    names, canonical = _canonical_request(request, added)
    scope = f"{time[:8]}/{auth.region}/{auth.service}/aws4_request"
    text = "\n".join((_ALGORITHM, time, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{auth.secret_key.read()}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"Credential={auth.access_key}/{scope}"
    added["Authorization"] = f"{_ALGORITHM} {credential}, SignedHeaders={names}, Signature={signature}"
    return added


def _canonical_request(request: SignedRequest, added: dict[str, str]) -> tuple[str, str]:
    """The names of the signed headers, and the text that is signed."""
    sent = {name.lower(): value for name, value in (*request.headers, *added.items())}
    signed = {
        name: " ".join(value.split())
        for name, value in sorted(sent.items())
        if name in ("host", "content-type") or name.startswith("x-amz-")
    }
    names = ";".join(signed)
    headers = "".join(f"{name}:{value}\n" for name, value in signed.items())
    body = hashlib.sha256(request.body).hexdigest()
    return names, "\n".join(
        (request.method, _canonical_path(request.path), _canonical_query(request.query), headers, names, body)
    )


def _canonical_path(path: str) -> str:
    # POSIX leaves the meaning of two slashes at the beginning open, and so does normpath.
    clean = "/" + posixpath.normpath(path or "/").lstrip("/")
    if path.endswith("/") and clean != "/":
        clean += "/"
    return quote(clean, safe="/-_.~")


def _canonical_query(query: str) -> str:
    pairs = [(quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in parse_qsl(query, True)]
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))
