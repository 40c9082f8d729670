"""What the file source is told."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from lodur.agent.delivery import Labels
from lodur.agent.sources.file.glob import Glob

CHUNK_BYTES_MAX = 2**20
"""The most that is read from a file at once: one batch of the default size, and little enough that files take turns."""


class Compression(enum.Enum):
    """How the files of a job are packed; decided by the configuration, never by a file's name."""

    GZIP = "gz"
    ZLIB = "z"
    BZIP2 = "bz2"


@dataclass(frozen=True, slots=True)
class Decompression:
    """Files of this job are read once, through a decompressor."""

    compression: Compression
    initial_delay_s: float
    """How long a file is left alone after it was found, so that its writer can finish."""


@dataclass(frozen=True, slots=True)
class FileTarget:
    """One stream's files."""

    path: Glob
    exclude: Glob | None
    labels: Labels


@dataclass(frozen=True, slots=True)
class FileSourceOptions:
    """One scrape config that reads files."""

    job_name: str
    targets: tuple[FileTarget, ...]
    decompression: Decompression | None
    rescan_period_s: float
    """How often the globs are looked at again (`target_config.sync_period`)."""
    poll_period_s: float
    """How often a file at its end is asked for more."""
    chunk_bytes: int = CHUNK_BYTES_MAX
    """The most that one chunk carries; not more than the smallest client's batch."""
