"""The tests' S3 server keeps the promises that Lodur's manifests rest on: conditional writes that are atomic."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.servers.s3 import S3Server

WRITERS = 8
ROUNDS = 10


def put(client: Any, bucket: str, key: str, body: bytes, **conditions: str) -> tuple[int, str]:
    """Status and ETag of a PutObject."""
    try:
        answer = client.put_object(Bucket=bucket, Key=key, Body=body, **conditions)
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], ""
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["ETag"]


def test_create_if_absent_refuses_a_second_object(s3_server: S3Server) -> None:
    client, bucket = s3_server.client(), s3_server.new_bucket()
    assert put(client, bucket, "t/manifest", b"first", IfNoneMatch="*")[0] == 200
    assert put(client, bucket, "t/manifest", b"second", IfNoneMatch="*")[0] == 412
    assert client.get_object(Bucket=bucket, Key="t/manifest")["Body"].read() == b"first"


def test_replace_if_match_refuses_all_but_the_newest_etag(s3_server: S3Server) -> None:
    client, bucket = s3_server.client(), s3_server.new_bucket()
    _, first = put(client, bucket, "manifest", b"first")
    status, second = put(client, bucket, "manifest", b"second", IfMatch=first)
    assert status == 200
    assert second != first
    assert put(client, bucket, "manifest", b"third", IfMatch=first)[0] == 412
    assert put(client, bucket, "absent", b"x", IfMatch=first)[0] in (404, 412)
    assert client.get_object(Bucket=bucket, Key="manifest")["Body"].read() == b"second"


@pytest.mark.parametrize("condition", ["IfNoneMatch", "IfMatch"])
def test_one_of_many_concurrent_conditional_writers_wins(s3_server: S3Server, condition: str) -> None:
    bucket = s3_server.new_bucket()
    clients = [s3_server.client() for _ in range(WRITERS)]
    for turn in range(ROUNDS):
        key = f"manifest-{turn}"
        expected = "*" if condition == "IfNoneMatch" else put(clients[0], bucket, key, b"base")[1]
        winners = race(clients, bucket, key, {condition: expected})
        assert len(winners) == 1
        assert clients[0].get_object(Bucket=bucket, Key=key)["Body"].read() == winners[0]


def race(clients: Sequence[Any], bucket: str, key: str, conditions: Mapping[str, str]) -> list[bytes]:
    """Let all clients put their own body at once; the bodies that were accepted."""
    start = threading.Barrier(len(clients))

    def write(number: int) -> tuple[int, bytes]:
        body = b"writer %d" % number
        start.wait()
        return put(clients[number], bucket, key, body, **conditions)[0], body

    with ThreadPoolExecutor(len(clients)) as pool:
        answers = list(pool.map(write, range(len(clients))))
    assert {status for status, _ in answers} <= {200, 412}
    return [body for status, body in answers if status == 200]


def test_objects_outlive_the_server(s3_server: S3Server) -> None:
    client, bucket = s3_server.client(), s3_server.new_bucket()
    _, etag = put(client, bucket, "kept", b"body")
    s3_server.stop()
    s3_server.start()
    assert client.get_object(Bucket=bucket, Key="kept")["ETag"] == etag
