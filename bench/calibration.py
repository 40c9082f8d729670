"""What the machine itself does with the raw lines, by means of zstd and ripgrep.

Lodur's figures are set in proportion to these: absolute times mean little on machines that are shared.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.corpus import Corpus
from bench.figures import per_gb
from bench.report import Calibrations

REPEAT = 3
"""The best of so many counts."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Time of a finished program."""

    wall_s: float
    cpu_s: float


def calibrate(corpus: Corpus, directory: Path) -> Calibrations:
    """Run the calibrations whose tools are there; says on stderr which are not."""
    zstd, rg = _tool("zstd"), _tool("rg")
    needle = corpus.meta.needles[0] if corpus.meta.needles else "needle-"
    directory.mkdir(parents=True, exist_ok=True)
    packed = directory / "raw.log.zst"
    zstd_cpu_s, zstd_bytes, unpack_search_s, search_s = None, None, None, None
    if rg:
        search_s = _best([[rg, "-c", "--", needle, str(corpus.raw)]]).wall_s
    if zstd:
        pack = [zstd, "-1", "--single-thread", "-q", "-f", str(corpus.raw), "-o", str(packed)]
        zstd_cpu_s = per_gb(_best([pack]).cpu_s, corpus.meta.bytes)
        zstd_bytes = packed.stat().st_size
    if zstd and rg:
        unpack_search_s = _best([[zstd, "-dcq", str(packed)], [rg, "-c", "--", needle]]).wall_s
    packed.unlink(missing_ok=True)
    return Calibrations(zstd_cpu_s, zstd_bytes, unpack_search_s, search_s)


def _tool(name: str) -> str | None:
    found = shutil.which(name)
    if found is None:
        print(f"{name} is not installed: no calibration with it", file=sys.stderr)
    return found


def _best(pipeline: Sequence[Sequence[str]]) -> Spent:
    spent = [_run(pipeline) for _ in range(REPEAT)]
    return Spent(min(one.wall_s for one in spent), min(one.cpu_s for one in spent))


def _run(pipeline: Sequence[Sequence[str]]) -> Spent:
    """Run programs, each reading what the one before it writes. A count of 0 lines is no failure."""
    before, start = os.times(), time.perf_counter()
    processes: list[subprocess.Popen[bytes]] = []
    for command in pipeline:
        source = processes[-1].stdout if processes else subprocess.DEVNULL
        processes.append(subprocess.Popen(command, stdin=source, stdout=subprocess.PIPE))
        if processes[:-1] and processes[-2].stdout:
            processes[-2].stdout.close()
    processes[-1].communicate()
    for process in processes:
        process.wait()
    wall_s, after = time.perf_counter() - start, os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return Spent(wall_s, cpu_s)
