"""Where results cannot go, or go otherwise than into a file: full disks, pipes, links."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from lodur.cli.sql_views import SqlOutput, Statements


@pytest.mark.parametrize(
    "words",
    [
        ["segments", "ls"],
        ["sql", "select * from range(1000)"],
        ["sql", "select * from range(1000000)", "-o", "csv"],
        ["sql", "select * from range(1000000)", "-o", "jsonl"],
        ["export", '{app="a"}', "--format", "parquet"],
    ],
)
def test_a_full_disk_behind_standard_output_is_told(tmp_path: Path, words: list[str]) -> None:
    program = "from lodur.cli.main import main; main()"
    argv = [sys.executable, "-c", program, *words, "--directory", str(tmp_path)]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    told = "Error: standard output cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, told)


def test_a_statement_writes_into_a_pipe_that_is_there(tmp_path: Path) -> None:
    pipe = tmp_path / "out"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with duckdb.connect() as database:
        Statements(database, SqlOutput.CSV, str(pipe), 10).run("select 7 as a")
    assert os.read(reader, 100) == b"a\n7\n"
    os.close(reader)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_statement_writes_where_a_link_points_to(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "out").symlink_to("there/csv")
    with duckdb.connect() as database:
        Statements(database, SqlOutput.CSV, str(tmp_path / "out"), 10).run("select 7 as a")
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "there/csv").read_text() == "a\n7\n"
