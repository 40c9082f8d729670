"""What clients show to servers that check it: tokens of OAuth 2.0, asked for by rule, and signatures of AWS."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import orjson
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lodur.model.clock import ManualClock
from lodur.wire.auth_flows import auth_flow
from lodur.wire.client_auth import Auth, OAuth2, Secret, SigV4, Tls
from lodur.wire.oauth2 import EARLY_S, NoToken
from tests.servers.small_servers import PlainServer, TlsServer

CLIENT, SECRET = "lo dur", "s3cret/+%"


@dataclass
class Site:
    """Gives tokens at `/token`, and takes at `/push` the one that it gave last."""

    lasts_s: object = 3600
    in_body: bool = False
    answer: bytes | None = None
    given: int = 0
    asked: list[dict[str, list[str]]] = field(default_factory=list)
    pushed: list[tuple[str, int]] = field(default_factory=list)
    revoked: bool = False

    def __call__(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        return self._token(headers, body) if path == "/token" else self._push(headers)

    def _token(self, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if self.answer is not None:
            return 200, self.answer
        form = parse_qs(body.decode())
        self.asked.append(form)
        if self.in_body:
            known = (form.get("client_id"), form.get("client_secret")) == ([CLIENT], [SECRET])
        else:
            pair = base64.b64encode(b"lo+dur:s3cret%2F%2B%25").decode()
            known = headers.get("authorization") == f"Basic {pair}"
        if not known:
            return 401, b'{"error": "invalid_client", "error_description": "who is that"}'
        self.given += 1
        self.revoked = False
        token = {"access_token": f"token-{self.given}", "token_type": "bearer", "expires_in": self.lasts_s}
        return 200, orjson.dumps(token)

    def _push(self, headers: dict[str, str]) -> tuple[int, bytes]:
        status = 200 if headers.get("authorization") == f"Bearer token-{self.given}" and not self.revoked else 401
        self.pushed.append((headers.get("authorization", ""), status))
        return status, b""


def push(url: str, auth: Auth, work: Callable[[httpx.AsyncClient, ManualClock], Awaitable[None]]) -> None:
    async def run() -> None:
        clock = ManualClock(10**18)
        async with httpx.AsyncClient(auth=auth_flow(auth, clock), base_url=url, trust_env=False) as http:
            await work(http, clock)

    asyncio.run(run())


def oauth2(url: str, **others: object) -> OAuth2:
    options: dict[str, object] = {"scopes": ("logs.write", "x"), "endpoint_params": (("audience", "logs"),), **others}
    return OAuth2(CLIENT, Secret(SECRET), f"{url}/token", **options)  # type: ignore[arg-type]  # fields by name


def test_a_token_is_kept_until_shortly_before_its_end() -> None:
    async def work(http: httpx.AsyncClient, clock: ManualClock) -> None:
        answers = await asyncio.gather(*(http.post("/push", content=b"x") for _ in range(5)))
        assert [each.status_code for each in answers] == [200] * 5
        clock.advance(3600 - EARLY_S - 1)
        assert (await http.post("/push")).status_code == 200
        assert site.given == 1
        clock.advance(2)
        assert (await http.post("/push")).status_code == 200
        assert site.given == 2

    site = Site()
    with PlainServer(site) as server:
        push(server.url, oauth2(server.url), work)
    assert site.asked[0] == {
        "grant_type": ["client_credentials"],
        "scope": ["logs.write x"],
        "audience": ["logs"],
    }


@pytest.mark.parametrize("lasts_s", [None, "7200", 0])
def test_a_token_without_end_and_one_whose_end_is_text(lasts_s: object) -> None:
    async def work(http: httpx.AsyncClient, clock: ManualClock) -> None:
        for _ in range(3):
            assert (await http.post("/push")).status_code == 200
            clock.advance(2000)
        assert site.given == 1

    site = Site(lasts_s=lasts_s)
    with PlainServer(site) as server:
        push(server.url, oauth2(server.url), work)


def test_a_token_that_is_not_taken_is_replaced_once() -> None:
    async def work(http: httpx.AsyncClient, clock: ManualClock) -> None:
        assert (await http.post("/push")).status_code == 200
        site.revoked = True
        assert (await http.post("/push", content=b"again")).status_code == 200
        assert [status for _, status in site.pushed] == [200, 401, 200]
        assert site.given == 2

    site = Site()
    with PlainServer(site) as server:
        push(server.url, oauth2(server.url), work)


def test_the_secret_goes_where_the_server_looks_for_it() -> None:
    async def work(http: httpx.AsyncClient, clock: ManualClock) -> None:
        assert (await http.post("/push")).status_code == 200
        clock.advance(4000)
        assert (await http.post("/push")).status_code == 200

    site = Site(in_body=True)
    with PlainServer(site) as server:
        push(server.url, oauth2(server.url), work)
    # Once tried by header, then remembered.
    assert ["client_secret" in form for form in site.asked] == [False, True, True]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"<html>", r"status 200\): no access_token in the answer"),
        (b'{"error": "slow_down"}', "slow_down"),
        (b'{"access_token": "a\\nb: c"}', "characters that a header cannot carry"),
        (b"[" * 1_100_000, "more than 1048576 bytes"),
    ],
)
def test_what_is_no_token(answer: bytes, told: str) -> None:
    async def work(http: httpx.AsyncClient, clock: ManualClock) -> None:
        with pytest.raises(NoToken, match=told):
            await http.post("/push")

    site = Site(answer=answer)
    with PlainServer(site) as server:
        push(server.url, oauth2(server.url), work)
    assert site.pushed == []


def test_a_refused_client_is_told_why_without_its_secret(tmp_path: Path) -> None:
    async def work(http: httpx.AsyncClient, clock: ManualClock) -> None:
        with pytest.raises(NoToken, match=r"status 401\): invalid_client: who is that") as caught:
            await http.post("/push")
        assert "wrong" not in str(caught.value)
        # The file is read again.
        secret.write_text(SECRET)
        assert (await http.post("/push")).status_code == 200

    secret = tmp_path / "secret"
    secret.write_text("wrong")
    site = Site()
    with PlainServer(site) as server:
        auth = OAuth2(CLIENT, Secret(file=secret), f"{server.url}/token")
        assert "wrong" not in repr(auth)
        push(server.url, auth, work)


def test_the_server_of_tokens_has_its_own_authority(tmp_path: Path) -> None:
    async def taken(http: httpx.AsyncClient, clock: ManualClock) -> None:
        assert (await http.post("/push")).status_code == 200

    async def refused(http: httpx.AsyncClient, clock: ManualClock) -> None:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await http.post("/push")

    site = Site()
    with TlsServer(tmp_path, site) as tokens, PlainServer(site) as server:
        push(server.url, oauth2(tokens.url, tls=Tls(ca_file=tokens.ca_file)), taken)
        push(server.url, oauth2(tokens.url), refused)


def test_what_is_signed_is_what_the_server_gets() -> None:
    """The server computes the signature from the request as it arrived, with botocore."""

    def check(method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        signed = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
        request = AWSRequest(method, server.url + path, {name: headers[name] for name in signed}, body)
        request.context["timestamp"] = headers["x-amz-date"]
        signer = SigV4Auth(Credentials("AK", "secret", token="tok"), "aps", "eu-west-1")
        canonical = signer.canonical_request(request)
        expected = signer.signature(signer.string_to_sign(request, canonical), request)
        times.append(headers["x-amz-date"])
        return (200 if headers["authorization"].endswith(f"Signature={expected}") else 403), b""

    async def work(http: httpx.AsyncClient, clock: ManualClock) -> None:
        for number in range(2):
            url = "/workspaces/ws-1/api/v1/remote_write?a=b%20c&A="
            assert (await http.post(url, content=b"\x00\xff" * 1000)).status_code == 200, number
            clock.advance(60)

    times: list[str] = []
    with PlainServer(check) as server:
        push(server.url, SigV4("eu-west-1", "AK", Secret("secret"), Secret("tok")), work)
    assert times == ["20010909T014640Z", "20010909T014740Z"]
