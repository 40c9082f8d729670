"""Bits that change where they lie."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from random import Random

from tests.faults.faulty_store import Bucket


def chosen_file(bucket: Bucket, folders: Iterable[str], chance: Random) -> Path | None:
    """One of the files below these folders of a bucket that have anything in them."""
    files = sorted(
        file
        for folder in folders
        for file in (bucket.directory / folder).rglob("[!.]*")
        if file.is_file() and file.stat().st_size
    )
    # Names have random parts: sorted by age they are the same for the same seed.
    files.sort(key=lambda file: bucket.names.get(file.relative_to(bucket.directory).as_posix(), 0))
    return chance.choice(files) if files else None


def flip_bit(file: Path, chance: Random) -> int:
    """Flip one; its place."""
    data = bytearray(file.read_bytes())
    place = int(chance.random() * 8 * len(data))
    data[place // 8] ^= 1 << place % 8
    file.write_bytes(bytes(data))
    return place
