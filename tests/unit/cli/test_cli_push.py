"""Reading, cutting and delivering of `lodur push`, with an encoder that lines can be read back from."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from lodur.cli.connection import parse_connection
from lodur.cli.push import format_reasons, format_summary
from lodur.cli.push_delivery import Delivery, RetryPolicy, Tally
from lodur.cli.push_source import (
    BATCH_BYTES,
    LINE_BYTES_MAX,
    Batch,
    LineClock,
    PipeReader,
    Source,
    open_file,
    read_batches,
)
from lodur.model.clock import ManualClock, SystemClock
from lodur.model.errors import InvalidRequest, NotFound, Unauthenticated, Unavailable
from lodur.model.label_set import LabelSet
from tests.unit.cli.fake_loki import Cli, FakeLoki

PUSH = "/loki/api/v1/push"
FAST = RetryPolicy(attempts=4, first_wait_s=0.001, longest_wait_s=0.002)


@dataclass(frozen=True)
class Encoded:
    body: bytes
    lines: int
    consumed: int


def encode_readably(chunk: bytes, *, labels: LabelSet, ts_ns: int, ts_step_ns: int, final: bool) -> Encoded:
    """The obvious twin of the kernel: the same promise, with a body of JSON."""
    end = len(chunk) if final else chunk.rfind(b"\n") + 1
    lines = chunk[:end].split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    rows = [[ts_ns + n * ts_step_ns, line.decode()] for n, line in enumerate(lines)]
    return Encoded(json.dumps([str(labels), rows]).encode(), len(rows), end)


def batches_of(path: Path, clock: ManualClock | None = None) -> list[Batch]:
    with closing(open_file(path, LabelSet.of({"job": "x"}))) as source:
        return list(read_batches(source, encode_readably, LineClock(clock or ManualClock(1000))))


def rows_of(batches: list[Batch]) -> list[tuple[int, str]]:
    return [(ts_ns, line) for batch in batches for ts_ns, line in json.loads(batch.body)[1]]


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"one", ["one"]),
        (b"one\n", ["one"]),
        (b"one\n\ntwo\n", ["one", "", "two"]),
        (b"\n", [""]),
    ],
)
def test_files_are_cut_at_line_ends(tmp_path: Path, content: bytes, lines: list[str]) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(content)
    assert [line for _, line in rows_of(batches_of(path))] == lines


@pytest.mark.parametrize("compress", [False, True])
def test_large_files_become_batches_of_a_mebibyte(tmp_path: Path, compress: bool) -> None:
    wanted = [f"line {n} " + "x" * (n % 300) for n in range(30_000)]
    content = "\n".join(wanted).encode()
    path = tmp_path / "named-without-suffix"
    path.write_bytes(gzip.compress(content) if compress else content)
    batches = batches_of(path)
    assert [line for _, line in rows_of(batches)] == wanted
    # One more than fits: what stands after the last newline is known to be a line only at the end of the file.
    assert len(batches) == len(content) // BATCH_BYTES + 2
    assert sum(batch.raw_bytes for batch in batches) == len(content)
    assert max(batch.raw_bytes for batch in batches) <= BATCH_BYTES
    stamps = [ts_ns for ts_ns, _ in rows_of(batches)]
    assert stamps == list(range(1000, 1000 + len(wanted)))


def test_a_line_longer_than_a_batch_is_kept_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"short\n" + b"y" * (3 * BATCH_BYTES) + b"\nlast\n")
    assert [len(line) for _, line in rows_of(batches_of(path))] == [5, 3 * BATCH_BYTES, 4]


def test_what_has_no_lines_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(b"short\n" + b"y" * (LINE_BYTES_MAX + BATCH_BYTES))
    with pytest.raises(InvalidRequest, match=r"disk\.img: the line at byte 6 is longer than 16777216 bytes"):
        batches_of(path)


def test_damaged_gzip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"one\n" * 1000)[:-12])
    with pytest.raises(InvalidRequest, match=r"a\.gz cannot be read"):
        batches_of(path)


def test_times_are_of_arrival_and_never_go_back(tmp_path: Path) -> None:
    clock = ManualClock(5_000)
    times = LineClock(clock)
    assert times.peek_ns() == 5_000
    times.take(10)
    assert times.peek_ns() == 5_010
    clock.advance(1)
    assert times.peek_ns() == 1_000_005_000


def test_labels_of_the_source_reach_the_encoder(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"one\n")
    with closing(open_file(path, LabelSet.of({"job": 'say "x"', "app": "shop"}))) as source:
        (batch,) = read_batches(source, encode_readably, LineClock(ManualClock(1)))
    assert json.loads(batch.body)[0] == '{app="shop", job="say \\"x\\""}'


def test_a_pipe_gives_slow_lines_without_waiting_for_a_full_batch() -> None:
    reading, writing = os.pipe()
    source = Source("standard input", LabelSet.of({"job": "x"}), PipeReader(reading, SystemClock(), wait_s=0.01), None)
    batches = read_batches(source, encode_readably, LineClock(ManualClock(1)))
    os.write(writing, b"one\ntw")
    assert rows_of([next(batches)]) == [(1, "one")]
    os.write(writing, b"o\nthree")
    assert rows_of([next(batches)]) == [(2, "two")]
    os.close(writing)
    assert rows_of(list(batches)) == [(3, "three")]
    os.close(reading)


def test_a_pipe_that_flows_fills_batches() -> None:
    reading, writing = os.pipe()
    content = b"0123456789abcde\n" * (BATCH_BYTES // 16)

    def write() -> None:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(content)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert PipeReader(reading, SystemClock(), wait_s=30).read(BATCH_BYTES) == content
    finally:
        thread.join()
        os.close(reading)


def deliver(url: str, count: int, retry: RetryPolicy = FAST) -> tuple[Tally, list[int]]:
    progress: list[int] = []
    delivery = Delivery(
        parse_connection(url, "team-a", None, None, None),
        retry=retry,
        rng=random.Random(1),
        on_delivered=lambda tally: progress.append(tally.lines),
    )
    delivery.deliver(Batch(f"body {n}".encode(), 10, 100) for n in range(count))
    return delivery.tally, progress


def test_all_batches_are_delivered_once(loki: FakeLoki) -> None:
    loki.will_answer(PUSH, "", 204)
    tally, progress = deliver(loki.url, 20)
    assert (tally.lines, tally.raw_bytes, tally.refused_lines, tally.reasons) == (200, 2000, 0, {})
    assert progress == list(range(10, 210, 10))
    assert sorted(request.body for request in loki.received) == sorted(f"body {n}".encode() for n in range(20))
    assert loki.received[0].headers["Content-Type"] == "application/x-protobuf"
    assert loki.received[0].headers["X-Scope-OrgID"] == "team-a"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_not_now_is_asked_again(loki: FakeLoki, status: int) -> None:
    loki.will_answer(PUSH, "slow down", status)
    loki.will_answer(PUSH, "slow down", status, Retry_After="1")
    loki.will_answer(PUSH, "", 204)
    tally, _ = deliver(loki.url, 1)
    assert tally.lines == 10
    assert [request.body for request in loki.received] == [b"body 0"] * 3


def test_patience_ends(loki: FakeLoki) -> None:
    loki.will_answer(PUSH, "ingestion rate limit exceeded", 429)
    with pytest.raises(Unavailable, match=r"gave up after 4 attempts: .* answered 429: ingestion rate limit exceeded"):
        deliver(loki.url, 1)
    assert len(loki.received) == 4


def test_waits_grow_are_bounded_and_heed_the_server() -> None:
    policy, rng = RetryPolicy(), random.Random(7)
    waits = [policy.wait_s(attempt, None, rng) for attempt in range(10)]
    assert all(0.25 * 2**n <= wait <= 0.5 * 2**n for n, wait in enumerate(waits[:6]))
    assert max(waits) <= policy.longest_wait_s
    assert policy.wait_s(0, 12.0, rng) == 12.0
    assert policy.wait_s(0, 9999.0, rng) == policy.longest_wait_s


def test_a_bad_batch_is_counted_and_the_rest_goes_on(loki: FakeLoki) -> None:
    loki.will_answer(PUSH, "entry for stream has timestamp too old\n", 400)
    loki.will_answer(PUSH, "", 204)
    tally, _ = deliver(loki.url, 5)
    assert (tally.lines, tally.refused_lines) == (40, 10)
    assert dict(tally.reasons) == {f"{loki.url} answered 400: entry for stream has timestamp too old": 1}
    assert len(loki.received) == 5


def test_a_blocked_tenant_is_no_success(loki: FakeLoki) -> None:
    loki.will_answer(PUSH, "ingestion blocked for user 'team-a'", 260)
    tally, _ = deliver(loki.url, 1)
    assert (tally.lines, tally.refused_lines) == (0, 10)


@pytest.mark.parametrize(("status", "error"), [(401, Unauthenticated), (403, Unauthenticated), (404, NotFound)])
def test_what_no_batch_can_pass_ends_the_delivery(loki: FakeLoki, status: int, error: type[Exception]) -> None:
    loki.will_answer(PUSH, "no", status)
    with pytest.raises(error):
        deliver(loki.url, 50)
    assert len(loki.received) <= 4


def test_a_server_that_was_never_there_is_not_waited_for() -> None:
    with pytest.raises(Unavailable, match="is `lodur serve` running at"):
        deliver("http://127.0.0.1:1", 5, RetryPolicy(first_wait_s=1000.0, longest_wait_s=1000.0))


def test_summary() -> None:
    tally = Tally(lines=1_234_567, raw_bytes=200_000_000, refused_lines=30)
    assert format_summary(tally, 1, 2.0) == (
        "pushed 1,234,567 lines (200.0 MB) from 1 file in 2.0 s (100.0 MB/s), 30 refused\n"
    )
    assert "from 2 files in 0.0 s (0.0 MB/s)" in format_summary(tally, 2, 0.0)


def test_reasons_are_few_and_the_frequent_ones_first() -> None:
    tally = Tally()
    assert format_reasons(tally) == ""
    for n in range(8):
        tally.reasons[f"reason {n}"] = n + 1
    lines = format_reasons(tally).splitlines()
    assert lines[1] == "  8 x reason 7"
    assert lines[-1] == "  and 3 more"


def test_command_ships_files_with_their_labels(loki: FakeLoki, cli: Cli, tmp_path: Path) -> None:
    loki.will_answer(PUSH, "", 204)
    (tmp_path / "a.log").write_text("alpha line\nbeta line\n")
    (tmp_path / "b.gz").write_bytes(gzip.compress(b"gamma line"))
    result = cli("push", "--label", "app=shop", str(tmp_path / "a.log"), str(tmp_path / "b.gz"))
    assert (result.exit_code, result.stderr) == (0, "")
    assert re.fullmatch(r"pushed 3 lines \(0\.0 MB\) from 2 files in \d+\.\d s \(.* MB/s\), 0 refused\n", result.stdout)
    bodies = {request.body for request in loki.received}
    (first,) = (body for body in bodies if b"alpha line" in body)
    assert b"beta line" in first
    assert b'{app="shop", filename="/' in first
    assert any(b"gamma line" in body for body in bodies - {first})


def test_command_tells_what_was_refused(loki: FakeLoki, cli: Cli, tmp_path: Path) -> None:
    loki.will_answer(PUSH, "max entry size '262144' bytes exceeded\n", 400)
    (tmp_path / "a.log").write_text("one\ntwo\n")
    result = cli("push", str(tmp_path / "a.log"))
    assert result.exit_code == 1
    assert result.stdout.startswith("pushed 0 lines")
    assert result.stdout.endswith(", 2 refused\n")
    assert result.stderr == (
        "refused requests (the server may have kept their other lines):\n"
        f"  1 x {loki.url} answered 400: max entry size '262144' bytes exceeded\n"
    )


def test_command_without_a_server(offline: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("one\n")
    result = offline("push", "-q", str(tmp_path / "a.log"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is `lodur serve` running at http://127.0.0.1:1?" in result.stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("no-such-file.log",), "'no-such-file.log' does not exist"),
        (("/",), "is a directory"),
        ((__file__, "--label", "app"), "'app' is not NAME=VALUE"),
        ((__file__, "--label", "a-b=c"), "'a-b=c' is not NAME=VALUE with a name of letters, digits and _"),
        ((__file__, "--label", "job=", "--label", "filename="), "no label is left"),
        ((), "Missing argument"),
    ],
)
def test_command_used_wrongly(offline: Cli, words: tuple[str, ...], complaint: str) -> None:
    result = offline("push", *words)
    assert result.exit_code == 2
    assert complaint in result.stderr


def test_command_reads_standard_input(loki: FakeLoki) -> None:
    loki.will_answer(PUSH, "", 204)
    words = [sys.executable, "-m", "lodur", "push", "--addr", loki.url, "--label", "filename=", "-"]
    done = subprocess.run(words, input=b"one\ntwo\nthree", capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"pushed 3 lines (0.0 MB) from 1 file in ")
    content = b"".join(request.body for request in loki.received)
    assert all(part in content for part in (b'{job="lodur-push"}', b"one", b"two", b"three"))
