from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cramjam import snappy

from bench.bodies import in_pass
from bench.corpus import Corpus, open_corpus
from bench.generate import APPS, entry, field, generate, varint

START_S = 1_768_471_200


def corpus_in(directory: Path, seed: int = 1) -> Corpus:
    generate(directory, mb=1, seed=seed, start_s=START_S, hours=1.0)
    return open_corpus(directory)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return corpus_in(tmp_path_factory.mktemp("corpus"))


def test_numbers_are_written_as_protobuf_does() -> None:
    assert varint(1) == b"\x01"
    assert varint(300) == b"\xac\x02"
    assert field(2, b"testing") == b"\x12\x07testing"
    assert entry(2_000_000_005, b"x") == b"\x12\x09\x0a\x04\x08\x02\x10\x05\x12\x01x"
    assert entry(2_000_000_000, b"x") == b"\x12\x07\x0a\x02\x08\x02\x12\x01x"


def test_the_facts_are_those_of_the_files(corpus: Corpus) -> None:
    lines = corpus.raw.read_bytes().splitlines()
    assert corpus.meta.lines == len(lines)
    assert corpus.meta.bytes == sum(map(len, lines)) >= 2**20
    assert corpus.meta.bodies == len(corpus.bodies())
    assert START_S * 10**9 == corpus.meta.start_ns < corpus.meta.end_ns
    needle = corpus.meta.needles[0].encode()
    assert len([line for line in lines if needle in line]) == 1


def test_bodies_carry_the_lines_of_the_raw_file(corpus: Corpus) -> None:
    bodies = b"".join(bytes(snappy.decompress_raw(path.read_bytes())) for path in corpus.bodies())
    assert all(line in bodies for line in corpus.raw.read_bytes().splitlines()[:500])


def test_lines_are_of_the_three_kinds(corpus: Corpus) -> None:
    lines = corpus.raw.read_text().splitlines()
    as_json = [line for line in lines if line.startswith("{")]
    as_logfmt = [line for line in lines if line.startswith("level=")]
    as_access = [line for line in lines if re.match(r"10\.\d+\.\d+\.\d+ - user-\d+ \[", line)]
    assert len(as_json) + len(as_logfmt) + len(as_access) == len(lines)
    assert min(len(as_json), len(as_logfmt), len(as_access)) > len(lines) / len(APPS) / 2
    assert json.loads(as_json[-1])["status"] in (200, 404, 429, 500)


def test_the_seed_decides(corpus: Corpus, tmp_path: Path) -> None:
    first = corpus.raw.read_bytes()
    assert corpus_in(tmp_path / "again").raw.read_bytes() == first
    assert corpus_in(tmp_path / "other", seed=2).raw.read_bytes() != first


def test_each_pass_has_its_own_streams_of_the_same_length(corpus: Corpus) -> None:
    body = corpus.bodies()[0].read_bytes()
    before = bytes(snappy.decompress_raw(body))
    after = bytes(snappy.decompress_raw(in_pass(body, 12)))
    assert len(after) == len(before)
    assert b'cluster="p000012-1"' in after
    assert b'cluster="eu-west-' not in after
    assert after.replace(b'"p000012-', b'"eu-west-') == before
