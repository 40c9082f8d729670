"""Segments with bytes flipped, as `lodur import` reads them: an error of ours, or the rows as they were written."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lodur.cli.import_mapping import FieldMapping
from lodur.cli.import_parquet import ParquetRows, open_parquet
from lodur.cli.import_rows import BadRow, Row, batches, push_body
from lodur.cli.import_segments import SegmentColumns
from lodur.model.errors import InvalidRequest, LodurError

SEGMENT = Path(__file__).parents[2] / "compat" / "segment" / "v2" / "entries.parquet"
DATA = SEGMENT.read_bytes()

FOOTER = len(DATA) - 8 - int.from_bytes(DATA[-8:-4], "little")
"""What comes before it has checksums."""

BY_DIRECTORY, BY_NAMES = FieldMapping(), FieldMapping(line="line", labels=(("app", "app"),))

flips = st.tuples(st.integers(0, len(DATA) - 1), st.integers(1, 255))
in_footer = st.tuples(st.integers(FOOTER, len(DATA) - 1), st.integers(1, 255))
"""Flipped at random few bytes would be: it is a fifth of the file."""


def imported(flipped: list[tuple[int, int]], mapping: FieldMapping) -> list[Row | BadRow]:
    """The rows that are sent of the segment with some bytes changed."""
    data = bytearray(DATA)
    for place, mask in flipped:
        data[place] ^= mask
    with TemporaryDirectory() as folder:
        file = Path(folder) / "flipped.parquet"
        file.write_bytes(data)
        with closing(open_parquet(str(file), mapping)) as rows:
            found = list(rows.rows())
    for batch in batches("flipped", found, after=0):
        push_body(batch.rows, compress=False)
    return found


WHOLE = imported([], BY_DIRECTORY)


@settings(max_examples=400, deadline=None)
@given(st.lists(flips | in_footer, min_size=1, max_size=20), st.sampled_from((BY_DIRECTORY, BY_NAMES)))
@example([(DATA.rindex(b"stream"), 1)], BY_DIRECTORY)
@example([(DATA.rindex(b"line"), 1)], BY_DIRECTORY)
@example([(DATA.rindex(b"lodur.directory"), 1)], BY_DIRECTORY)
def test_flipped_bytes_are_told_or_do_no_harm(flipped: list[tuple[int, int]], mapping: FieldMapping) -> None:
    try:
        imported(flipped, mapping)
    except LodurError:
        return


@settings(max_examples=300, deadline=None)
@given(st.integers(0, FOOTER - 1), st.integers(1, 255))
def test_what_is_read_of_pages_and_directory_is_what_was_written(place: int, mask: int) -> None:
    try:
        found = imported([(place, mask)], BY_DIRECTORY)
    except LodurError:
        return
    assert found == WHOLE


def test_rows_that_a_footer_has_lost_are_missed(tmp_path: Path) -> None:
    short = pq.ParquetFile(_written(tmp_path, pq.read_table(SEGMENT).slice(0, 7)))
    columns = SegmentColumns(str(SEGMENT), short.schema_arrow.names, BY_DIRECTORY)
    with closing(ParquetRows(str(SEGMENT), short, columns)) as rows, pytest.raises(InvalidRequest, match="7 of 162"):
        list(rows.rows())


def test_texts_of_others_that_are_not_utf8(tmp_path: Path) -> None:
    bad = pa.array([b"a", b"\xff"]).cast(pa.binary()).view(pa.string())
    file = _written(tmp_path, pa.table({"time": pa.array([1, 2], pa.timestamp("ns")), "line": bad}))
    with closing(open_parquet(str(file), BY_DIRECTORY)) as rows, pytest.raises(InvalidRequest, match="UTF8"):
        list(rows.rows())


def _written(folder: Path, table: pa.Table) -> Path:
    file = folder / "x.parquet"
    pq.write_table(table, file)
    return file
