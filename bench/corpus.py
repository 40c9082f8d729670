"""The corpus: where it is, what is in it, and how it is made when it is not there.

A corpus is a directory of `bodies/*.pb` (snappy protobuf pushes), `raw.log` (their lines) and `meta.json`. It is made
once per size and generator into `.cache/bench/`. Start at `prepare`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "bench"

OWN_GENERATOR = Path(__file__).resolve().parent / "generate.py"
SIBLING_GENERATOR = Path("shared") / "bench" / "gen.py"
"""Below the directory that holds the repository."""
SIBLING_SAMPLES = Path("shared") / "data" / "loghub"
"""Real log files that the sibling generator mixes in."""

GENERATOR_VARIABLE = "LODUR_BENCH_GENERATOR"

SEED = 1
START_S = 1_768_471_200
"""First timestamp. Fixed, so that a corpus depends on nothing but its size; old, so the server must accept old rows."""


@dataclass(frozen=True, slots=True)
class Meta:
    """What a generator says of its corpus."""

    lines: int
    bytes: int
    """Of the lines, without line ends."""
    bodies: int
    streams: int
    start_ns: int
    end_ns: int
    needles: tuple[str, ...]
    """Strings that occur in one line each."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """A corpus on the disk."""

    directory: Path
    meta: Meta

    @property
    def raw(self) -> Path:
        return self.directory / "raw.log"

    def bodies(self) -> list[Path]:
        """In the order of their timestamps."""
        return sorted((self.directory / "bodies").glob("*.pb"))


@dataclass(frozen=True, slots=True)
class Generator:
    """A program that makes a corpus, and the real samples it is given."""

    program: Path
    samples: Path | None = None

    def command(self, out: Path, mb: int) -> list[str]:
        command = [sys.executable, str(self.program), str(out), f"--mb={mb}", f"--seed={SEED}", f"--start={START_S}"]
        return [*command, f"--loghub={self.samples}"] if self.samples else command

    def fingerprint(self) -> str:
        """Differs when the generator does."""
        facts = self.program.read_bytes() + (b" with samples" if self.samples else b"")
        return hashlib.sha256(facts).hexdigest()[:8]


def find_generator(named: Path | None, environ: Mapping[str, str], root: Path = ROOT) -> Generator:
    """The generator that is named, else the one beside the repository, else the own one."""
    if named is None and environ.get(GENERATOR_VARIABLE):
        named = Path(environ[GENERATOR_VARIABLE])
    if named is not None:
        return Generator(named)
    sibling = root.parent / SIBLING_GENERATOR
    if not sibling.is_file():
        return Generator(OWN_GENERATOR)
    samples = root.parent / SIBLING_SAMPLES
    return Generator(sibling, samples if samples.is_dir() else None)


def prepare(mb: int, generator: Generator, cache: Path = CACHE) -> Corpus:
    """The corpus of a size, made now if it is not in the cache. Raises CalledProcessError when the generator fails."""
    directory = cache / f"{mb}-{generator.fingerprint()}"
    if not (directory / "meta.json").exists():
        print(f"making a corpus of {mb} MiB with {generator.program.name} (once; some minutes)", file=sys.stderr)
        unfinished = directory.with_name(f"{directory.name}.{os.getpid()}")
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(generator.command(unfinished, mb), check=True, stdout=sys.stderr)
        shutil.rmtree(directory, ignore_errors=True)
        unfinished.rename(directory)
    return open_corpus(directory)


def open_corpus(directory: Path) -> Corpus:
    """A corpus that is there. Raises OSError, or msgspec.ValidationError where meta.json lacks something."""
    meta = msgspec.json.decode((directory / "meta.json").read_bytes(), type=Meta)
    return Corpus(directory, meta)
