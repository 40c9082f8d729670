"""Processors that do not sleep while latencies are measured.

A processor with nothing to do sleeps until it is needed, and waking takes time: on a virtual machine its host may have
given it to others by then, for milliseconds. `/dev/cpu_dma_latency` is Linux's interface for programs that cannot wait
so long (docs.kernel.org, PM Quality Of Service); daemons such as tuned use it for servers whose latencies matter.
Start at `awake`.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WAKE_TIMES = Path("/dev/cpu_dma_latency")


@contextmanager
def awake(device: Path = WAKE_TIMES) -> Iterator[bool]:
    """Processors poll when they are idle, for as long as this lasts; gives whether they do. It takes root."""
    try:
        # Linux holds to what was written until the file is closed: a longest time to wake up, in microseconds.
        held = os.open(device, os.O_WRONLY)
    except OSError:
        yield False
        return
    try:
        os.write(held, struct.pack("=i", 0))
        yield True
    finally:
        os.close(held)
