"""The view `logs` over a tenant's segments, and how statements run against it and print.

DuckDB reads the segments as they lie; nothing is loaded beforehand. Start at `create_views` and `Statements`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING

from lodur.cli.export_files import unfinished_file
from lodur.cli.terminal import standard_output, write_out
from lodur.model.errors import InvalidRequest
from lodur.model.time_span import TimeSpan

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CELL_CHARS_MAX = 200
"""Of a cell of the table that people read; other forms show all."""


PIPE_BYTES = 64 * 1024
"""What a pipe holds at most."""


class SqlOutput(Enum):
    """The form of a result; the value is the word of `--output`."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


_COPY_OPTIONS = {
    SqlOutput.JSON: "FORMAT json, ARRAY true",
    SqlOutput.JSONL: "FORMAT json",
    SqlOutput.CSV: "FORMAT csv, HEADER true",
    SqlOutput.PARQUET: "FORMAT parquet, COMPRESSION zstd",
}


MAIN_SCHEMA = "main"
"""Where DuckDB looks for what is named without a schema."""


def create_views(database: DuckDBPyConnection, paths: Mapping[str, Sequence[str]], span: TimeSpan | None) -> None:
    """Make the view of each tenant by name, in a schema of its own, and one of all."""
    if len(paths) < 2:
        create_logs(database, "logs", next(iter(paths.values()), []), span)
        # What is written for several tenants works for one.
        for name in paths.keys() - {MAIN_SCHEMA}:
            database.execute(f"create schema {quoted_name(name)}")
            database.execute(f"create view {quoted_name(name)}.logs as select * from {MAIN_SCHEMA}.logs")
        return
    for name, of_name in paths.items():
        database.execute(f"create schema {quoted_name(name)}")
        create_logs(database, f"{quoted_name(name)}.logs", of_name, span)
    parts = (f"select {quoted_text(name)} as tenant, * from {quoted_name(name)}.logs" for name in paths)
    database.execute(f"create view logs as {' union all by name '.join(parts)}")


def create_logs(database: DuckDBPyConnection, name: str, paths: Sequence[str], span: TimeSpan | None) -> None:
    """Make a view of these segments' entries of a span: time, line, and a column for each label and metadata name."""
    if not paths:
        database.execute(
            f"create view {name} as select null::timestamptz as timestamp, null::bigint as ts_ns, null::varchar as line"
            " where false"
        )
        return
    files = ", ".join(quoted_text(path) for path in paths)
    source = f"read_parquet([{files}], union_by_name = true)"
    columns = [row[0] for row in database.execute(f"describe select * from {source}").fetchall()]
    # The number of the stream means nothing outside of its segment. A label that is called as a column of ours comes
    # with a prefix; the name of the number is free here.
    label = ", label_stream as stream" if "label_stream" in columns else ""
    hidden = "timestamp, line, stream" + (", label_stream" if label else "")
    where = (
        "" if span is None else f" where epoch_ns(timestamp) >= {span.start_ns} and epoch_ns(timestamp) < {span.end_ns}"
    )
    database.execute(
        f"create view {name} as select timestamp::timestamptz as timestamp, epoch_ns(timestamp) as ts_ns, line{label},"
        f" * exclude ({hidden}) from {source}{where}"
    )


def quoted_text(text: str) -> str:
    """A text literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def quoted_name(name: str) -> str:
    """A name of SQL, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


class Statements:
    """Runs statements, and prints the result of the last one. Raises InvalidRequest in DuckDB's words."""

    def __init__(self, database: DuckDBPyConnection, output: SqlOutput, target: str, rows_max: int) -> None:
        self._database = database
        self._output = output
        self._target = target
        self._rows_max = rows_max

    def run(self, text: str) -> str:
        """Run all; what to say about rows that are not shown."""
        import duckdb

        try:
            statements = self._database.extract_statements(text)
            if not statements:
                raise InvalidRequest("there is no statement")
            for statement in statements[:-1]:
                self._database.execute(statement)
            last = statements[-1]
            if last.type is duckdb.StatementType.SELECT:
                return self._print(last.query.strip().rstrip(";"))
            cursor = self._database.execute(last)
            rows = cursor.fetchall() if cursor.description else []
            # An explanation is a name and a text of many lines; the text is what is meant.
            write_out("".join(f"{row[-1]}\n" for row in rows))
            return ""
        except duckdb.Error as error:
            # The error holds on to the database, which must be closed before the process ends.
            raise InvalidRequest(str(error)) from None

    def _print(self, query: str) -> str:
        if self._output is SqlOutput.TABLE and self._target == "-":
            return self._table(query)
        options = _COPY_OPTIONS.get(self._output, "FORMAT csv, HEADER true, DELIMITER '\t'")
        if self._target == "-":
            self._stream(query, options)
            return ""
        with unfinished_file(self._target) as path:
            self._database.execute(f"copy (\n{query}\n) to {quoted_text(str(path))} ({options}, USE_TMP_FILE false)")
        return ""

    def _stream(self, query: str, options: str) -> None:
        """Print through a pipe: DuckDB would open standard output anew, and cut off what a file has there already."""
        import duckdb

        read_end, write_end = os.pipe()
        failures: list[OSError | InvalidRequest] = []
        forwarding = threading.Thread(target=_forward, args=(read_end, failures))
        forwarding.start()
        try:
            self._database.execute(f"copy (\n{query}\n) to '/dev/fd/{write_end}' ({options}, USE_TMP_FILE false)")
        except duckdb.Error:
            if not failures:
                raise
        finally:
            os.close(write_end)
            forwarding.join()
        if failures:
            raise failures[0]

    def _table(self, query: str) -> str:
        cursor = self._database.execute(f"select columns(*)::varchar from (\n{query}\n)")
        names = [str(column[0]) for column in cursor.description or ()]
        rows = [[_cell(value) for value in row] for row in cursor.fetchmany(self._rows_max + 1)]
        shown = rows[: self._rows_max]
        widths = [max(map(len, column)) for column in zip(names, *shown, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [names, *shown]
        ]
        write_out("".join(f"{line.rstrip()}\n" for line in lines))
        return f"only the first {self._rows_max} rows are shown\n" if len(rows) > self._rows_max else ""


def _cell(value: str | None) -> str:
    text = "" if value is None else value.replace("\n", "\\n").replace("\t", "\\t")
    return text if len(text) <= CELL_CHARS_MAX else f"{text[: CELL_CHARS_MAX - 1]}…"


def _forward(read_end: int, failures: list[OSError | InvalidRequest]) -> None:
    """Print what comes through a pipe; where that fails, let the writer find out, whose pipe breaks."""
    with open(read_end, "rb", buffering=0) as pipe:
        try:
            with standard_output() as output:
                while data := pipe.read(PIPE_BYTES):
                    output.write(data)
        except (OSError, InvalidRequest) as error:
            failures.append(error)
