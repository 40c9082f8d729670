"""What the segments below a directory weigh, part by part, read as any reader of Parquet sees them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import duckdb

from bench.report import Kept

LINE_COLUMN = "line"
TIMESTAMP_COLUMN = "timestamp"


def kept_below(directory: Path) -> Kept:
    """The bytes of all segments below `directory`."""
    each = [_kept_in(path) for path in sorted(directory.rglob("*.parquet"))]
    return Kept(
        lines=sum(one.lines for one in each),
        timestamps=sum(one.timestamps for one in each),
        labels=sum(one.labels for one in each),
        index=sum(one.index for one in each),
    )


def by_part(columns: Iterable[tuple[str, int]], file_bytes: int) -> Kept:
    """Sort the stored bytes of columns into parts; what they leave of the file is index."""
    lines = timestamps = labels = 0
    for name, stored_bytes in columns:
        if name == LINE_COLUMN:
            lines += stored_bytes
        elif name == TIMESTAMP_COLUMN:
            timestamps += stored_bytes
        else:
            labels += stored_bytes
    return Kept(lines, timestamps, labels, file_bytes - lines - timestamps - labels)


def _kept_in(path: Path) -> Kept:
    query = "SELECT path_in_schema, total_compressed_size FROM parquet_metadata(?)"
    with duckdb.connect() as connection:
        columns: list[tuple[str, int]] = connection.execute(query, [str(path)]).fetchall()
    return by_part(columns, path.stat().st_size)
