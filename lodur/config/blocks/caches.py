"""The caches of segments, out of `lodur.cache`."""

from __future__ import annotations

from pathlib import Path

from lodur.config.blocks.common import PATH_PREFIX
from lodur.config.blocks.extras import CACHE_DIRECTORY, CACHE_DISK, CACHE_METADATA, CACHE_SMALL
from lodur.config.values import Values
from lodur.store.options import CacheOptions

FOLDER = "cache"


def cache_options(values: Values, base: Path, wal_directory: Path) -> CacheOptions:
    """What to keep, and where; relative paths start at `base`."""
    directory, prefix = values.get(CACHE_DIRECTORY), values.get(PATH_PREFIX)
    beside = base / prefix if prefix else wal_directory.parent
    place = base / directory if directory else beside / FOLDER
    return CacheOptions(values.get(CACHE_METADATA), values.get(CACHE_SMALL), place, values.get(CACHE_DISK))
