"""The checksum of a whole object, as manifests keep it: parts that Lodur itself never reads are covered so too."""

from __future__ import annotations

import zlib
from pathlib import Path

from lodur.model.limits import MIB

READ_BYTES = 1 * MIB


def file_crc32(path: Path) -> int:
    """CRC-32 of a local file. Raises OSError."""
    total = 0
    with path.open("rb") as file:
        while part := file.read(READ_BYTES):
            total = zlib.crc32(part, total)
    return total
