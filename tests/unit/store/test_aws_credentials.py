"""Credentials that are not in the configuration: profiles, and web identity (IRSA) against a token service of ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from lodur.model.errors import InvalidRequest, LodurError, Unauthenticated
from lodur.store.aws_profiles import AwsProfile, find_profile
from lodur.store.cloud_clients import open_object_store
from lodur.store.options import HttpOptions, RetryOptions, S3Options
from lodur.store.s3_client import s3_client
from tests.servers.s3 import S3Server
from tests.servers.small_servers import PlainServer, TlsServer

KEYS = "aws_access_key_id = AK\naws_secret_access_key = S/K\n"

FAST = RetryOptions(retries_max=1, least_pause_s=0.01, most_pause_s=0.01)


def write(home: Path, name: str, text: str) -> None:
    (home / ".aws").mkdir(exist_ok=True)
    (home / ".aws" / name).write_text(text)


def test_without_files_there_is_no_profile(tmp_path: Path) -> None:
    assert find_profile({}, tmp_path) is None


def test_the_default_profile_is_found_where_nothing_is_named(tmp_path: Path) -> None:
    write(tmp_path, "credentials", f"[default]\n{KEYS}aws_session_token = T\n[other]\naws_access_key_id = no\n")
    write(tmp_path, "config", "[default]\nregion = eu-west-3\n")
    assert find_profile({}, tmp_path) == AwsProfile("default", "AK", "S/K", "T", region="eu-west-3")
    assert find_profile({"AWS_ACCESS_KEY_ID": "x"}, tmp_path) is None
    assert find_profile({"AWS_WEB_IDENTITY_TOKEN_FILE": "x"}, tmp_path) is None


def test_a_named_profile_goes_before_the_environment(tmp_path: Path) -> None:
    write(tmp_path, "config", f"[default]\nregion=x\n[profile logs]\n{KEYS}region = us-west-2\n")
    found = find_profile({"AWS_PROFILE": "logs", "AWS_ACCESS_KEY_ID": "x"}, tmp_path)
    assert found == AwsProfile("logs", "AK", "S/K", region="us-west-2")


def test_a_profile_may_name_a_role_and_a_token(tmp_path: Path) -> None:
    role = "[profile logs]\nrole_arn = arn:r\nweb_identity_token_file = /t\nrole_session_name = lodur\n"
    write(tmp_path, "config", role)
    found = find_profile({"AWS_PROFILE": "logs"}, tmp_path)
    assert found == AwsProfile("logs", role_arn="arn:r", web_identity_token_file="/t", role_session_name="lodur")


@pytest.mark.parametrize(
    ("environ", "text", "reason"),
    [
        ({"AWS_PROFILE": "x"}, "[default]\n", "the AWS profile 'x' that AWS_PROFILE names is not in"),
        ({"AWS_PROFILE": "x"}, "[profile x]\nregion = y\n", "has neither aws_access_key_id"),
        ({}, "[default]\ncredential_process = hush\n", "it has credential_process"),
        ({}, "[default\nhush", r"is no AWS configuration file \(line 1\)"),
    ],
)
def test_profiles_of_no_use_are_refused(tmp_path: Path, environ: Mapping[str, str], text: str, reason: str) -> None:
    write(tmp_path, "config", text)
    with pytest.raises(InvalidRequest, match=reason) as raised:
        find_profile(environ, tmp_path)
    assert "hush" not in str(raised.value)


def test_a_bucket_is_reached_with_a_profile(
    s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = tmp_path / "credentials"
    credentials.write_text(
        f"[logs]\naws_access_key_id = {s3_server.access_key}\naws_secret_access_key = {s3_server.secret_key}\n"
    )
    bucket = s3_server.new_bucket()
    monkeypatch.setenv("AWS_PROFILE", "logs")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    options = S3Options(bucket, endpoint_url=s3_server.endpoint, path_style=True, allow_http=True)
    store = open_object_store(options, spool_directory=tmp_path / "spool")
    store.check()
    assert store.replace_if("x", b"1", None) is not None


ROLE = "arn:aws:iam::111122223333:role/LokiServiceAccountRole"

GRANTED = """<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>
<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken>token-of-session</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"""

DENIED = b"""<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>No OpenIDConnect provider found</Message>
</Error></ErrorResponse>"""


class TokenService:
    """Amazon's token service as far as roles for service accounts need it, and the bucket that wants its keys."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.asked: list[dict[str, list[str]]] = []
        self.sessions: list[str] = []

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        form = parse_qs(urlsplit(path).query) | parse_qs(body.decode())
        if "Action" not in form:
            self.sessions.append(headers.get("x-amz-security-token", ""))
            assert "Credential=ASIAROLE/" in headers["authorization"]
            return 200, b"<ListBucketResult></ListBucketResult>"
        self.asked.append(form)
        if form["WebIdentityToken"] != [self.token] or form["RoleArn"] != [ROLE]:
            return 400, DENIED
        return 200, GRANTED.format(key="ASIAROLE", secret="hush-secret").encode()


def of_web_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: TlsServer, token: str) -> S3Options:
    """The environment that Kubernetes gives a pod whose service account has a role."""
    file = tmp_path / "token"
    file.write_text(token)
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(file))
    monkeypatch.setenv("AWS_ROLE_SESSION_NAME", "lodur-0")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    http = HttpOptions(ca_file=server.ca_file)
    return S3Options("logs", endpoint_url=server.url, path_style=True, http=http, retries=FAST)


def test_web_identity_gets_keys_for_the_role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = TokenService("jwt-of-the-pod")
    with TlsServer(tmp_path, service.answer) as server:
        options = of_web_identity(tmp_path, monkeypatch, server, "jwt-of-the-pod")
        store = open_object_store(options, spool_directory=tmp_path / "spool")
        store.check()
        store.list_objects("x")
    (asked,) = service.asked
    assert asked["Action"] == ["AssumeRoleWithWebIdentity"]
    assert asked["RoleSessionName"] == ["lodur-0"]
    assert service.sessions == ["token-of-session"] * 2


def test_a_refused_web_identity_is_told_without_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with TlsServer(tmp_path, TokenService("another").answer) as server:
        options = of_web_identity(tmp_path, monkeypatch, server, "hush-jwt")
        with pytest.raises(Unauthenticated) as raised:
            open_object_store(options, spool_directory=tmp_path / "spool").check()
    assert "hush-jwt" not in str(raised.value)


def test_a_server_of_an_unknown_authority_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with TlsServer(tmp_path, TokenService("t").answer) as server:
        options = of_web_identity(tmp_path, monkeypatch, server, "t")
        store = open_object_store(
            S3Options("logs", endpoint_url=options.endpoint_url, path_style=True, retries=FAST),
            spool_directory=tmp_path / "spool",
        )
        with pytest.raises(LodurError):
            store.check()


HANDED_OUT = b"""{"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "ASIAROLE", "SecretAccessKey": "hush-secret",
"Token": "token-of-session", "LastUpdated": "2026-01-01T00:00:00Z", "Expiration": "2099-01-01T00:00:00Z"}"""


class Machine:
    """What an instance or a container answers to those who run on it, and the bucket that wants its keys."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.sessions: list[str] = []

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if "list-type" in path:
            assert "Credential=ASIAROLE/" in headers["authorization"]
            self.sessions.append(headers["x-amz-security-token"])
            return 200, b"<ListBucketResult></ListBucketResult>"
        self.asked.append((method, path, headers.get("x-aws-ec2-metadata-token") or headers.get("authorization", "")))
        if path == "/latest/api/token":
            return 200, b"token-of-metadata"
        return 200, b"role-of-instance" if path.endswith("/security-credentials/") else HANDED_OUT


def test_an_instance_hands_out_the_keys_of_its_role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine()
    with PlainServer(machine.answer) as server:
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", server.url)
        options = S3Options("logs", endpoint_url=server.url, path_style=True, allow_http=True, retries=FAST)
        open_object_store(options, spool_directory=tmp_path / "spool").check()
    where = "/latest/meta-data/iam/security-credentials"
    assert machine.asked == [
        ("PUT", "/latest/api/token", ""),
        ("GET", f"{where}/", "token-of-metadata"),
        ("GET", f"{where}/role-of-instance", "token-of-metadata"),
    ]
    assert machine.sessions == ["token-of-session"]


def test_a_pod_identity_hands_out_the_keys_of_its_role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine()
    token = tmp_path / "token"
    token.write_text("jwt-of-the-pod")
    with PlainServer(machine.answer) as server:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{server.url}/v1/credentials")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(token))
        options = S3Options("logs", endpoint_url=server.url, path_style=True, allow_http=True, retries=FAST)
        open_object_store(options, spool_directory=tmp_path / "spool").check()
    assert machine.asked == [("GET", "/v1/credentials", "jwt-of-the-pod")]
    assert machine.sessions == ["token-of-session"]


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("AWS_ACCESS_KEY_ID", "hush\n", "AWS_ACCESS_KEY_ID has a character that no key has"),
        ("AWS_SECRET_ACCESS_KEY", "hush\n", "AWS_SECRET_ACCESS_KEY has a character that no key has"),
        ("AWS_SESSION_TOKEN", "hüsh", "AWS_SESSION_TOKEN has a character that no key has"),
        ("AWS_REGION", "<your region>", "'<your region>' is no name of a region"),
    ],
)
def test_variables_that_no_request_can_carry_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidRequest, match=reason) as raised:
        s3_client(S3Options("logs"))
    assert value not in str(raised.value) or name == "AWS_REGION"


def test_variables_of_keys_do_not_matter_where_others_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k\n")
    s3_client(S3Options("logs", access_key_id="k", secret_access_key="s"))
    write(tmp_path, "credentials", f"[logs]\n{KEYS}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_PROFILE", "logs")
    s3_client(S3Options("logs"))
