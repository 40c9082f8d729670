"""`lodur tail` against a real server: what it prints, and how it goes on when the connection breaks."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import StartLodur
from tests.push_bodies import Entry, json_push
from tests.servers.lodur import LODUR, LodurServer
from tests.servers.process import wait_until
from tests.servers.raw_http import ask

QUERY = '{app="a"}'


def push(server: LodurServer, now_ns: int, *lines: str) -> None:
    entries: list[Entry] = [(now_ns + number, line, {}) for number, line in enumerate(lines)]
    body = json_push([({"app": "a"}, entries)])
    assert ask(server.port, "POST", "/loki/api/v1/push", {"Content-Type": "application/json"}, body).status == 204


@contextmanager
def tailing(server: LodurServer, directory: Path, *words: str) -> Iterator[Path]:
    """The command running; its output is in the file, its messages beside it."""
    out = directory / "out"
    with out.open("wb") as stdout, (directory / "err").open("wb") as stderr:
        command = [str(LODUR), "tail", f"--addr={server.url}", QUERY, *words]
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr, env={**os.environ, "NO_COLOR": "1"})
        try:
            yield out
        finally:
            process.kill()
            process.wait()


def wait_for(out: Path, text: str) -> None:
    wait_until(lambda: text in out.read_text(), deadline_s=30, what=f"the line {text!r} in {out.read_text()!r}")


def test_lines_are_printed_as_they_come(lodur_server: StartLodur, tmp_path: Path, now_ns: int) -> None:
    server = lodur_server()
    push(server, now_ns - 10**9, "before 1", "before 2", "before 3")
    with tailing(server, tmp_path, "-o", "raw", "--limit", "2") as out:
        wait_for(out, "before 3\n")
        push(server, now_ns, "after 1", "after 2")
        wait_for(out, "after 2\n")
        assert out.read_text().split("\n") == ["before 2", "before 3", "after 1", "after 2", ""]


@pytest.mark.parametrize("mode", ["default", "jsonl"])
def test_modes(lodur_server: StartLodur, tmp_path: Path, now_ns: int, mode: str) -> None:
    server = lodur_server()
    push(server, now_ns, "hello")
    with tailing(server, tmp_path, "-o", mode, "--include-common-labels", "--timezone", "UTC") as out:
        wait_for(out, "hello")
        (line,) = out.read_text().splitlines()
    if mode == "jsonl":
        assert json.loads(line)["labels"]["app"] == "a"
    else:
        assert 'app="a"' in line


def test_a_broken_connection_is_made_again(lodur_server: StartLodur, tmp_path: Path, now_ns: int) -> None:
    server = lodur_server()
    with tailing(server, tmp_path, "-o", "raw") as out:
        push(server, now_ns, "one", "two")
        wait_for(out, "two\n")
        server.kill()
        wait_until(lambda: "connection lost" in (tmp_path / "err").read_text(), deadline_s=30, what="the message")
        server.start()
        push(server, now_ns + 1, "at the time of two", "three")
        wait_for(out, "three\n")
        assert out.read_text().splitlines() == ["one", "two", "at the time of two", "three"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (['{app="a"'], "parse error"),
        (['rate({app="a"}[1m])'], "only log selector is supported"),
        (["--addr=http://127.0.0.1:1", QUERY], "cannot reach http://127.0.0.1:1"),
    ],
)
def test_what_is_refused(lodur_server: StartLodur, words: list[str], text: str) -> None:
    server = lodur_server()
    ran = subprocess.run(
        [LODUR, "tail", f"--addr={server.url}", *words], capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 1
    assert text in ran.stderr
    assert "Traceback" not in ran.stderr
