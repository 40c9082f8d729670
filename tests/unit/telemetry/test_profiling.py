"""Profiles: processor time goes to who has used it, and `go tool pprof` can read what is written."""

from __future__ import annotations

import gzip
import hashlib
import threading

from lodur.model.clock import SystemClock
from lodur.telemetry.profiling import Frame, Profile, Profiler, thread_dump
from lodur.wire.pprof import collapsed, pprof


def burn(stop: threading.Event) -> None:
    while not stop.is_set():
        hashlib.sha256(b"x" * 100_000).digest()


def test_busy_threads_are_seen_and_idle_ones_are_not() -> None:
    stop = threading.Event()
    busy = threading.Thread(target=burn, args=(stop,), name="busy")
    idle = threading.Thread(target=stop.wait, name="idle")
    for thread in (busy, idle):
        thread.start()
    try:
        profiler = Profiler(SystemClock())
        profile = profiler.take(0.5, threading.Event())
    finally:
        stop.set()
        busy.join()
        idle.join()
    assert profile is not None
    spent = dict.fromkeys(("busy", "idle"), 0)
    for (name, stack), cost_ns in profile.samples.items():
        if name in spent:
            spent[name] += cost_ns
        assert name != "busy" or any(frame.function == "burn" for frame in stack) or not stack
    assert spent["busy"] > 10 * max(1, spent["idle"])
    assert any(line.startswith("busy;") and "burn" in line for line in collapsed(profile).splitlines())


def test_one_profile_at_a_time_and_none_for_longer_than_wanted() -> None:
    profiler = Profiler(SystemClock())
    gone = threading.Event()
    taken: list[Profile | None] = []
    first = threading.Thread(target=lambda: taken.append(profiler.take(60.0, gone)))
    first.start()
    refused: Profile | None = Profile(0, 0, {})
    for _ in range(1000):
        refused = profiler.take(0.001, threading.Event())
        if refused is None:
            break
    gone.set()
    first.join(30)
    assert refused is None
    assert taken[0] is not None
    assert taken[0].duration_ns < 30 * 10**9


def test_stacks_of_all_threads_are_told() -> None:
    assert "test_stacks_of_all_threads_are_told" in thread_dump()
    assert "MainThread" in thread_dump()


def fields(message: bytes) -> list[tuple[int, int | bytes]]:
    """The fields of a protobuf message, numbers and texts."""
    found: list[tuple[int, int | bytes]] = []
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value

    while at < len(message):
        tag = varint()
        if tag & 7 == 0:
            found.append((tag >> 3, varint()))
        else:
            length = varint()
            found.append((tag >> 3, message[at : at + length]))
            at += length
    return found


def inner(message: int | bytes) -> list[tuple[int, int | bytes]]:
    assert isinstance(message, bytes)
    return fields(message)


def test_the_file_is_a_profile() -> None:
    outer, middle = Frame("main", "/a/main.py", 1), Frame("work", "/a/work.py", 300)
    samples = {("t", (middle, outer)): 20_000_000, ("rayon", ()): 1_500_000_000}
    read = fields(gzip.decompress(pprof(Profile(7, 2 * 10**9, samples))))
    texts = [text for number, text in read if number == 6]
    assert texts[0] == b""
    assert {b"samples", b"cpu", b"nanoseconds", b"main", b"work", b"[rayon]", b"/a/work.py"} <= set(texts)
    functions = {}
    for number, function in read:
        if number == 5:
            told = dict(inner(function))
            name = told[2]
            assert isinstance(name, int)
            functions[told[1]] = texts[name]
    locations = {}
    for number, location in read:
        if number == 4:
            told = dict(inner(location))
            line = dict(inner(told[4]))
            locations[told[1]] = (functions[line[1]], line.get(2, 0))
    first, second = (inner(sample) for number, sample in read if number == 2)
    ids = dict(first)[1]
    assert isinstance(ids, bytes)
    assert [locations[one] for one in ids] == [(b"work", 300), (b"main", 1)]
    values = dict(second)[2]
    assert isinstance(values, bytes)
    assert fields(b"\x08" + values[:2])[0] == (1, 150)
    assert (10, 2 * 10**9) in read
