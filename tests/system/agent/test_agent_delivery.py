"""The agent as a process, against a receiver that counts lines: none may be missing, and none twice without a crash."""

from __future__ import annotations

import gzip
import os
import threading
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.system.agent.agent_harness import AgentProcess, Receiver, free_port, wait_until

KILLS = 6
"""Moments at which the agent is killed; each costs a start."""


def config(receiver: Receiver, logs: Path, pattern: str = "*.log", extra: str = "", job: str = "") -> str:
    return (
        f"clients:\n- url: {receiver.url}\n  batchwait: 100ms\n"
        f"  backoff_config: {{min_period: 20ms, max_period: 100ms, max_retries: 0}}\n{extra}"
        f"scrape_configs:\n- job_name: test\n{job}"
        f"  static_configs:\n  - labels: {{job: test, __path__: '{logs}/{pattern}'}}\n"
    )


class Writer:
    """Writes numbered lines to one path, and knows them all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[str] = []

    def write(self, count: int) -> None:
        new = [f"line {len(self.lines) + number} of {self.path.name}" for number in range(count)]
        with self.path.open("a") as out:
            out.write("".join(line + "\n" for line in new))
        self.lines += new


def has_more_than(receiver: Receiver, lines: int) -> bool:
    return receiver.counts().total() > lines


def rotate(path: Path) -> None:
    """What logrotate does; nothing is rotated away, so that nothing may be missing."""
    for number in range(99, 0, -1):
        lower = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
        if lower.exists():
            lower.rename(path.with_name(f"{path.name}.{number}"))


def assert_once(receiver: Receiver, lines: list[str]) -> None:
    counts = receiver.counts()
    assert [line for line in lines if counts[line] != 1] == []
    assert counts.keys() == set(lines)


def test_rotation_while_running(agent: AgentProcess, receiver: Receiver, logs: Path) -> None:
    """The glob matches the rotated names too: still every line once."""
    agent.start(config(receiver, logs, "app.log*"))
    writer = Writer(logs / "app.log")
    for _ in range(3):
        writer.write(500)
        rotate(writer.path)
        writer.write(500)
        wait_until(lambda: receiver.has_all(writer.lines), "lines after a rotation")
    assert agent.stop() == 0
    assert_once(receiver, writer.lines)


def test_truncation_while_running(agent: AgentProcess, receiver: Receiver, logs: Path) -> None:
    agent.start(config(receiver, logs))
    writer = Writer(logs / "app.log")
    for _ in range(3):
        writer.write(300)
        wait_until(lambda: receiver.has_all(writer.lines), "lines before the truncation")
        os.truncate(writer.path, 0)
    assert agent.stop() == 0
    assert_once(receiver, writer.lines)


@pytest.mark.parametrize("pattern", ["app.log", "app.log*"])
def test_restart_with_writing_and_rotation_between(
    agent: AgentProcess, receiver: Receiver, logs: Path, pattern: str
) -> None:
    writer = Writer(logs / "app.log")
    for _ in range(3):
        writer.write(200)
        agent.start(config(receiver, logs, pattern))
        writer.write(200)
        wait_until(lambda: receiver.has_all(writer.lines), "lines after a start")
        assert agent.stop() == 0
        writer.write(200)
        rotate(writer.path)
    agent.start(config(receiver, logs, pattern))
    wait_until(lambda: receiver.has_all(writer.lines), "lines of the file that was rotated last")
    assert agent.stop() == 0
    assert_once(receiver, writer.lines)


def test_nothing_is_lost_when_killed(agent: AgentProcess, receiver: Receiver, logs: Path) -> None:
    """Kill the agent at many moments while lines are written and files rotated."""
    writer = Writer(logs / "app.log")
    done = threading.Event()

    def write() -> None:
        turn = 0
        while not done.wait(0.1):
            turn += 1
            writer.write(400)
            if turn % 25 == 0:
                rotate(writer.path)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for kill in range(KILLS):
            agent.start(config(receiver, logs, "app.log*"))
            before = receiver.counts().total()
            wait_until(partial(has_more_than, receiver, before), "any line")
            done.wait(0.07 * kill)
            agent.kill()
    finally:
        done.set()
        thread.join()
    agent.start(config(receiver, logs, "app.log*"))
    wait_until(lambda: receiver.has_all(writer.lines), "all lines")
    assert agent.stop() == 0
    assert receiver.counts().keys() == set(writer.lines)


def test_compressed_files_are_read_once(agent: AgentProcess, receiver: Receiver, logs: Path) -> None:
    lines = [f"packed {number}" for number in range(10_000)]
    (logs / "a.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    job = "  decompression: {enabled: true, initial_delay: 100ms, format: gz}\n"
    agent.start(config(receiver, logs, "**.gz", job=job))
    wait_until(lambda: receiver.has_all(lines), "lines of the packed file")
    assert agent.stop() == 0
    more = [f"second {number}" for number in range(100)]
    (logs / "b.gz").write_bytes(gzip.compress(("\n".join(more) + "\n").encode()))
    agent.start(config(receiver, logs, "**.gz", job=job))
    wait_until(lambda: receiver.has_all(more), "lines of the second packed file")
    assert agent.stop() == 0
    assert_once(receiver, lines + more)
    saved = yaml.safe_load(agent.positions.read_text())["positions"]
    assert saved[str(logs / "a.gz")] == "10000"


def test_a_failing_server_delays_and_loses_nothing(agent: AgentProcess, receiver: Receiver, logs: Path) -> None:
    receiver.statuses = [500, 429, 503, 502, 500, 429] * 3
    writer = Writer(logs / "app.log")
    writer.write(1000)
    agent.start(config(receiver, logs))
    wait_until(lambda: receiver.has_all(writer.lines), "lines after the failures")
    assert agent.stop() == 0
    assert receiver.refused == 18
    assert_once(receiver, writer.lines)


def test_positions_wait_for_delivery(agent: AgentProcess, receiver: Receiver, logs: Path) -> None:
    receiver.statuses = [500] * 1_000_000
    writer = Writer(logs / "app.log")
    writer.write(100)
    agent.start(config(receiver, logs))
    wait_until(lambda: receiver.refused > 20, "some refusals")
    agent.kill()
    saved = yaml.safe_load(agent.positions.read_text())["positions"] if agent.positions.exists() else {}
    assert saved.get(str(writer.path), "0") == "0"
    receiver.statuses = []
    agent.start(config(receiver, logs))
    wait_until(lambda: receiver.has_all(writer.lines), "lines after the restart")
    assert agent.stop() == 0
    assert_once(receiver, writer.lines)


def test_a_dead_client_does_not_hold_the_others(agent: AgentProcess, receiver: Receiver, logs: Path) -> None:
    writer = Writer(logs / "app.log")
    writer.write(100)
    agent.start(config(receiver, logs, extra=f"- url: http://127.0.0.1:{free_port()}/loki/api/v1/push\n"))
    wait_until(lambda: receiver.has_all(writer.lines), "lines at the client that lives")
    writer.write(100)
    wait_until(lambda: receiver.has_all(writer.lines), "lines written later")
    agent.kill()
    assert_once(receiver, writer.lines)


def test_own_pages(agent: AgentProcess, receiver: Receiver, logs: Path) -> None:
    port = free_port()

    def page(path: str) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
                return str(response.read().decode())
        except urllib.error.HTTPError as error:
            return str(error.read().decode())
        except urllib.error.URLError:
            return ""

    server = f"server: {{http_listen_address: 127.0.0.1, http_listen_port: {port}}}\n"
    agent.start(server + config(receiver, logs))
    wait_until(lambda: page("/ready").startswith("Not ready: Unable to find any logs to tail."), "the page")
    writer = Writer(logs / "app.log")
    writer.write(7)
    wait_until(lambda: receiver.has_all(writer.lines), "lines")
    assert page("/ready") == "Ready"
    host = receiver.url.split("/")[2]
    assert f'promtail_sent_entries_total{{host="{host}"}} 7.0' in page("/metrics")
    assert f'promtail_read_lines_total{{path="{writer.path}"}} 7.0' in page("/metrics")
    assert str(writer.path) in page("/targets")
    assert agent.stop() == 0


@pytest.mark.parametrize("text", ["clients: [{url: http://h/}]\nnonsense: 1\n", "{"])
def test_a_wrong_file_ends_with_a_message(agent: AgentProcess, text: str) -> None:
    agent.start(text)
    assert agent.wait() == 1
    assert "Unable to run: " in agent.log.read_text()
