"""Signatures of AWS: its documentation's own example, and what botocore makes of the same requests."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lodur.wire.client_auth import Secret, SigV4
from lodur.wire.sigv4 import SignedRequest, sign

EXAMPLE_KEYS = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
EXAMPLE_TIME = "20150830T123600Z"


def now_ns(time: str) -> int:
    return int(datetime.strptime(time, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()) * 10**9


def test_the_example_of_the_documentation() -> None:
    """`ListUsers` of IAM, as AWS' description of signing takes it apart step by step."""
    request = SignedRequest(
        "GET",
        "/",
        "Action=ListUsers&Version=2010-05-08",
        (
            ("Host", "iam.amazonaws.com"),
            ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),
        ),
        b"",
    )
    auth = SigV4("us-east-1", EXAMPLE_KEYS[0], Secret(EXAMPLE_KEYS[1]), service="iam")
    assert sign(request, auth, now_ns(EXAMPLE_TIME)) == {
        "X-Amz-Date": EXAMPLE_TIME,
        "Authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
    }


@pytest.mark.parametrize("path", ["/", "/api/v1/remote_write", "/a%20b/%C3%A9", "/a//b/./c/../d/", "/a=b,c:d"])
@pytest.mark.parametrize("query", ["", "b=2&a=1&a=0", "x=%20%2F&y=", "a-b_c.d~e=~"])
@pytest.mark.parametrize("token", ["", "session of somebody"])
def test_as_botocore_signs(path: str, query: str, token: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(EXAMPLE_KEYS[1] + "\n")
    headers = {"Content-Type": "application/x-protobuf", "Host": "aps.example:8080", "X-Amz-Thing": "a   b "}
    other = AWSRequest("POST", f"https://aps.example:8080{path}?{query}".rstrip("?"), dict(headers), b"\x00body")
    other.context["timestamp"] = EXAMPLE_TIME
    signer = SigV4Auth(Credentials(*EXAMPLE_KEYS, token=token or None), "aps", "eu-west-1")
    canonical = signer.canonical_request(_with_date(other, token))
    signature = signer.signature(signer.string_to_sign(other, canonical), other)
    auth = SigV4("eu-west-1", EXAMPLE_KEYS[0], Secret(file=secret), Secret(token))
    added = sign(
        SignedRequest("POST", path, query, (*headers.items(), ("User-Agent", "x")), b"\x00body"),
        auth,
        now_ns(EXAMPLE_TIME),
    )
    assert added["Authorization"].rpartition("=")[2] == signature
    assert added.get("X-Amz-Security-Token", "") == token


def _with_date(request: AWSRequest, token: str) -> AWSRequest:
    request.headers["X-Amz-Date"] = EXAMPLE_TIME
    if token:
        request.headers["X-Amz-Security-Token"] = token
    return request
