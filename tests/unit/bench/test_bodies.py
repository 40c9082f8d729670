"""Bodies that are made ahead, and what the server says of the time that they took."""

from __future__ import annotations

from pathlib import Path

import pytest
from cramjam import snappy
from prometheus_client import CollectorRegistry, generate_latest

from bench.bodies import BodyMaker, in_pass, split
from bench.concurrency import served_within
from bench.corpus import Corpus, open_corpus
from bench.generate import generate
from lodur.telemetry.request_metrics import RequestMetrics


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    directory: Path = tmp_path_factory.mktemp("corpus")
    generate(directory, mb=1, seed=1, start_s=1_768_471_200, hours=1.0)
    return open_corpus(directory)


@pytest.mark.parametrize("made_before_bytes", [0, 1_000_000])
def test_bodies_come_in_order_and_pass_after_pass(corpus: Corpus, made_before_bytes: int) -> None:
    bodies = [path.read_bytes() for path in corpus.bodies()]
    with BodyMaker(corpus, raw_bytes=0, made_before_bytes=made_before_bytes) as maker:
        assert maker.body_bytes == corpus.meta.bytes / corpus.meta.bodies
        for number in range(2):
            for body in bodies:
                assert maker.take() == in_pass(body, number)


def test_a_body_is_split_between_its_streams(corpus: Corpus) -> None:
    message = bytes(snappy.decompress_raw(corpus.bodies()[0].read_bytes()))
    assert split(message, 1) == [message]
    parts = split(message, 2)
    assert b"".join(parts) == message
    assert len(parts) == 2
    assert max(map(len, parts)) < 0.8 * len(message)


def test_the_servers_own_times_of_pushes_are_read_from_its_metrics() -> None:
    registry = CollectorRegistry()
    metrics = RequestMetrics(registry)
    for seconds, status in [(0.004, 204), (0.02, 204), (0.02, 429), (0.06, 204)]:
        metrics.observe(method="POST", route="loki_api_v1_push", status=status, seconds=seconds)
    metrics.observe(method="GET", route="loki_api_v1_query", status=200, seconds=9.0)
    found = served_within(generate_latest(registry).decode())
    assert found == ((0.005, 0.25), (0.01, 0.25), (0.025, 0.75), (0.05, 0.75), (0.1, 1.0))
    assert served_within("") == ()
