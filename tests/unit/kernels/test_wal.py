"""The typed face of the write-ahead log: what comes back, which errors are raised, what a killed process leaves."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lodur.kernels.wal import Wal, WalOptions, WalRecord
from lodur.model.errors import CorruptData, LimitExceeded, Unavailable

NOW_NS = 1_700_000_000_000_000_000
MUSEUM = Path(__file__).parents[2] / "compat" / "wal"


def read_back(wal: Wal, batch_bytes: int = 1 << 20) -> list[WalRecord]:
    return [record for batch in wal.replay(batch_bytes) for record in batch]


def test_records_come_back_after_reopening(tmp_path: Path) -> None:
    wal = Wal.open(WalOptions(tmp_path))
    payloads: list[bytes | bytearray | memoryview] = [
        b"bytes",
        bytearray(b"bytearray"),
        memoryview(b"a memoryview")[2:],
        b"",
        bytes(3 << 20),
    ]
    seqs = [wal.append("fake", kind, NOW_NS + kind, payload) for kind, payload in enumerate(payloads)]
    assert seqs == [1, 2, 3, 4, 5]
    writer_id = wal.writer_id
    wal.close()

    wal = Wal.open(WalOptions(tmp_path))
    records = read_back(wal)
    assert [(r.seq, r.tenant, r.kind, r.accepted_at_ns, r.payload) for r in records] == [
        (seq, "fake", kind, NOW_NS + kind, bytes(payload))
        for kind, (seq, payload) in enumerate(zip(seqs, payloads, strict=True))
    ]
    assert records[0].file == tmp_path / "0000000000000001.wal"
    assert wal.problems() == []
    assert wal.writer_id == writer_id
    assert wal.append("fake", 0, NOW_NS, b"next") > seqs[-1]
    wal.close()


def test_replay_is_cut_into_batches(tmp_path: Path) -> None:
    wal = Wal.open(WalOptions(tmp_path))
    for size in [10, 10, 10, 100, 5]:
        wal.append("fake", 0, NOW_NS, bytes(size))
    wal.close()
    wal = Wal.open(WalOptions(tmp_path))
    assert [[len(r.payload) for r in batch] for batch in wal.replay(20)] == [[10, 10], [10, 100], [5]]
    assert list(wal.replay(20)) == []
    wal.close()


def test_threads_append_together(tmp_path: Path) -> None:
    wal = Wal.open(WalOptions(tmp_path))
    before = wal.stats()
    seqs: list[int] = []

    def push() -> None:
        for _ in range(20):
            seqs.append(wal.append("fake", 0, NOW_NS, b"a small push"))  # noqa: PERF401 - other threads append between

    threads = [threading.Thread(target=push) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = wal.stats()
    assert sorted(seqs) == list(range(1, 641))
    assert after.records == 640
    assert after.fsyncs - before.fsyncs == after.groups
    wal.close()


def test_trim_deletes_covered_files(tmp_path: Path) -> None:
    wal = Wal.open(WalOptions(tmp_path, max_file_bytes=1000))
    seqs = [wal.append("fake", 0, NOW_NS, bytes(300)) for _ in range(9)]
    assert wal.stats().files == 5
    assert wal.trim(seqs[4]) == 2
    assert wal.trim(seqs[-1]) == 3
    assert wal.stats().files == 1
    wal.close()
    wal = Wal.open(WalOptions(tmp_path))
    assert read_back(wal) == []
    wal.close()


def test_damage_is_reported_and_kept_aside(tmp_path: Path) -> None:
    wal = Wal.open(WalOptions(tmp_path))
    for payload in [b"first", b"second", b"third"]:
        wal.append("fake", 0, NOW_NS, payload)
    wal.close()
    path = tmp_path / "0000000000000001.wal"
    content = path.read_bytes()
    path.write_bytes(content.replace(b"second", b"sEcond"))

    wal = Wal.open(WalOptions(tmp_path))
    assert [r.payload for r in read_back(wal)] == [b"first", b"third"]
    (problem,) = wal.problems()
    assert (problem.kind, problem.file, problem.offset, problem.bytes) == ("damage", path, 72 + 49, 50)
    assert problem.message == "record body does not match its checksum"
    assert path.with_name(path.name + ".corrupt").exists()
    wal.close()


def test_errors_tell_what_to_do(tmp_path: Path) -> None:
    wal = Wal.open(WalOptions(tmp_path))
    with pytest.raises(Unavailable, match=f"in use by process {os.getpid()}"):
        Wal.open(WalOptions(tmp_path))
    with pytest.raises(LimitExceeded, match="at most 268435456 fit in the WAL"):
        wal.append("fake", 0, NOW_NS, bytes((256 << 20) + 1))
    with pytest.raises(ValueError, match="tenant id of 256 bytes"):
        wal.append("t" * 256, 0, NOW_NS, b"")
    with pytest.raises(OverflowError):
        wal.append("fake", 256, NOW_NS, b"")
    wal.close()
    with pytest.raises(Unavailable, match="the WAL is closed"):
        wal.append("fake", 0, NOW_NS, b"")
    with pytest.raises(OSError, match="create the WAL directory"):
        Wal.open(WalOptions(Path("/dev/null/wal")))


@pytest.mark.parametrize("version", ["v1"])
def test_museum_is_read(tmp_path: Path, version: str) -> None:
    """Every version that was ever written is read as on its first day, by a writer that goes on with the newest."""
    wal_dir = tmp_path / "wal"
    shutil.copytree(MUSEUM / version, wal_dir)
    wal = Wal.open(WalOptions(wal_dir))
    lines = [
        f"{r.file.name} {r.offset} {r.seq} {r.kind} {r.accepted_at_ns} {r.tenant} {r.payload.hex()}"
        for r in read_back(wal)
    ]
    assert lines == (MUSEUM / version / "expected.txt").read_text().splitlines()
    assert wal.problems() == []
    wal.append("fake", 0, NOW_NS, b"next")
    wal.close()


def test_newer_version_stops_the_start(tmp_path: Path) -> None:
    header = b"LODURWAL" + (2).to_bytes(4, "little") + bytes(56)
    path = tmp_path / "0000000000000001.wal"
    path.write_bytes(header + crc32c(header).to_bytes(4, "little") + b"whatever it holds")
    with pytest.raises(CorruptData, match="version 2 of the WAL format, this build reads version 1") as caught:
        Wal.open(WalOptions(tmp_path))
    assert (caught.value.path, caught.value.offset) == (str(path), 8)


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


CHILD = """
import itertools, os, sys, threading
from pathlib import Path
from lodur.kernels.wal import Wal, WalOptions

wal = Wal.open(WalOptions(Path(sys.argv[1]), max_file_bytes=100_000))
def push(thread):
    for n in itertools.count():
        payload = f"{sys.argv[2]}/{thread}/{n}/".encode() * (1 + n % 50)
        os.write(1, f"{wal.append('fake', thread, n, payload)} {thread} {n}\\n".encode())
for thread in range(4):
    threading.Thread(target=push, args=(thread,)).start()
"""


def test_killed_writers_lose_nothing_acknowledged(tmp_path: Path) -> None:
    """30 rounds: a child appends from four threads and prints each number that it is given, until it is killed."""
    seed = random.SystemRandom().randrange(1 << 32)
    chance = random.Random(seed)
    acknowledged: dict[int, tuple[int, int, bytes]] = {}
    for round_number in range(30):
        arguments = [sys.executable, "-c", CHILD, str(tmp_path), str(round_number)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for _ in range(chance.randrange(1, 150)):
                acknowledge(acknowledged, round_number, child.stdout.readline())
            child.send_signal(signal.SIGKILL)
            for line in child.stdout.read().splitlines(keepends=True):
                acknowledge(acknowledged, round_number, line)
        assert child.returncode == -signal.SIGKILL
    wal = Wal.open(WalOptions(tmp_path))
    found = {r.seq: (r.kind, r.accepted_at_ns, r.payload) for r in read_back(wal)}
    problems = wal.problems()
    wal.close()
    assert len(acknowledged) >= 30
    assert {seq: found.get(seq) for seq in acknowledged} == acknowledged, f"seed {seed}"
    # Each thread has at most one append under way when it is killed.
    assert len(found) - len(acknowledged) <= 30 * 4
    assert [problem for problem in problems if problem.kind != "torn_tail"] == []


def acknowledge(acknowledged: dict[int, tuple[int, int, bytes]], round_number: int, line: str) -> None:
    if line.endswith("\n"):
        seq, thread, n = map(int, line.split())
        acknowledged[seq] = (thread, n, f"{round_number}/{thread}/{n}/".encode() * (1 + n % 50))
