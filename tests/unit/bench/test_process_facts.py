from __future__ import annotations

import os
import subprocess
import sys
import time

from bench.process_facts import Memory, cpu_clock, cpu_s, memory, parse_memory, parse_stolen_ticks, stolen_s

STATUS = """\
Name:\tlodur
VmPeak:\t  900000 kB
VmHWM:\t   34567 kB
VmRSS:\t   12345 kB
RssAnon:\t    1000 kB
"""


def test_status_tells_present_and_peak_memory() -> None:
    assert parse_memory(STATUS) == Memory(now_bytes=12345 * 1024, peak_bytes=34567 * 1024)


def test_a_process_that_is_ending_has_no_memory() -> None:
    assert parse_memory("Name:\tlodur\nState:\tZ (zombie)\n") == Memory(0, 0)


def test_the_clock_of_this_process_is_its_cpu_time() -> None:
    before_s = time.process_time()
    measured_s = time.clock_gettime(cpu_clock(os.getpid()))
    assert before_s <= measured_s <= time.process_time()


def test_stolen_time_is_that_of_all_processors() -> None:
    assert (
        parse_stolen_ticks("cpu  6741288 3065613 1252841 3560149 67482 0 36441 115749 0 0\ncpu0 1 2 3 4 5 6 7 8 9 0\n")
        == 115749
    )
    assert stolen_s() >= 0


def test_children_are_counted() -> None:
    work = "sum(range(3_000_000)); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", work], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        alone_s, held = time.process_time(), memory(child.pid)
        assert cpu_s(os.getpid()) - alone_s > 0.005
        assert memory(os.getpid()).now_bytes > held.now_bytes > 2**20
        child.communicate(b"\n")
