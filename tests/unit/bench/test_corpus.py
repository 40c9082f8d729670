from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bench.corpus import GENERATOR_VARIABLE, OWN_GENERATOR, Generator, Meta, find_generator, open_corpus, prepare
from bench.generate import generate


@pytest.fixture
def root(tmp_path: Path) -> Path:
    repository = tmp_path / "repository"
    repository.mkdir()
    return repository


def sibling_of(root: Path) -> Path:
    program = root.parent / "shared" / "bench" / "gen.py"
    program.parent.mkdir(parents=True)
    program.write_text("pass\n")
    return program


def test_a_named_generator_comes_first(root: Path) -> None:
    sibling_of(root)
    assert find_generator(Path("mine.py"), {GENERATOR_VARIABLE: "other.py"}, root) == Generator(Path("mine.py"))
    assert find_generator(None, {GENERATOR_VARIABLE: "other.py"}, root) == Generator(Path("other.py"))


def test_then_the_one_beside_the_repository_with_its_samples(root: Path) -> None:
    program = sibling_of(root)
    assert find_generator(None, {}, root) == Generator(program)
    samples = root.parent / "shared" / "data" / "loghub"
    samples.mkdir(parents=True)
    assert find_generator(None, {}, root) == Generator(program, samples)
    assert f"--loghub={samples}" in find_generator(None, {}, root).command(Path("out"), 8)


def test_then_the_own_one(root: Path) -> None:
    assert find_generator(None, {}, root) == Generator(OWN_GENERATOR)


def test_another_generator_makes_another_corpus(root: Path) -> None:
    program = sibling_of(root)
    before = Generator(program).fingerprint()
    assert Generator(program, root).fingerprint() != before
    program.write_text("print()\n")
    assert Generator(program).fingerprint() != before


def test_a_corpus_is_made_once(tmp_path: Path) -> None:
    corpus = prepare(1, Generator(OWN_GENERATOR), tmp_path)
    assert corpus.meta.bodies == len(corpus.bodies()) == 1
    made = corpus.raw.stat()
    again = prepare(1, Generator(OWN_GENERATOR), tmp_path)
    assert again == corpus
    assert again.raw.stat().st_mtime_ns == made.st_mtime_ns
    assert [path.name for path in tmp_path.iterdir()] == [corpus.directory.name]


def test_a_corpus_without_its_facts_is_refused(tmp_path: Path) -> None:
    generate(tmp_path, mb=1, seed=1, start_s=1_768_471_200, hours=1.0)
    assert isinstance(open_corpus(tmp_path).meta, Meta)
    (tmp_path / "meta.json").write_text('{"lines": 3}')
    with pytest.raises(msgspec.ValidationError, match="bytes"):
        open_corpus(tmp_path)
