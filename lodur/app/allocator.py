"""Settings of glibc's allocator for a process that takes and drops megabytes all day.

Without them each body, its decompressed form and its rows are mapped from the kernel and given back: three in ten page
faults of an ingest. Elsewhere than on glibc nothing is done.
"""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

MMAP_THRESHOLD_BYTES = 32 << 20
"""The most that glibc takes: what is smaller comes from a heap and returns to it."""

TRIM_THRESHOLD_BYTES = 1 << 30
"""Free memory that is kept for the next push; `give_back_memory` returns it when there is none."""

ARENAS_MAX = 2
"""Heaps that threads share. glibc's eight for each core would keep a peak of their own each."""


def tune_allocator() -> None:
    """Set what glibc would otherwise guess. Before the first threads start."""
    libc = _glibc()
    if libc is not None:
        libc.mallopt(_M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES)
        libc.mallopt(_M_ARENA_MAX, ARENAS_MAX)


def give_back_memory() -> None:
    """Return free memory to the kernel: some milliseconds, and page faults for the next pushes."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") else None
