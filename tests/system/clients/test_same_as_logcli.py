"""`lodur` and logcli, asked the same with the same words, print the same."""

from __future__ import annotations

import subprocess
from datetime import UTC
from pathlib import Path

import pytest
from click.testing import CliRunner

from lodur.cli.main import lodur
from lodur.cli.times import format_time
from tests.push_bodies import Entry, json_push
from tests.system.clients.conftest import PASSWORD, USER, Tenant, go_program

LINES = 1000
RUN_S = 60.0


def filled(tenant: Tenant) -> None:
    entries: dict[str, list[Entry]] = {"cart": [], "pay": []}
    for number in range(LINES):
        app = "pay" if number % 5 == 0 else "cart"
        line = f"level={'error' if number % 10 == 0 else 'info'} n={number}"
        entries[app].append((tenant.since_ns + number * 10**6, line, {"trace_id": f"t{number % 3}"}))
    body = json_push([({"app": app, "env": "prod"}, of_app) for app, of_app in entries.items()])
    assert tenant.post("/loki/api/v1/push", body, "application/json").status == 204


EVERY = '{app=~".+"}'
SPAN = "of the lines"
"""Stands for --from and --to: names of parts have them in them."""
PARTS = (SPAN, "--parallel-duration=2s", "--parallel-max-workers=3", "--part-path-prefix=part")
QUERIES: tuple[tuple[str, ...], ...] = (
    ("query", '{app="pay"}', "--limit=5"),
    ("query", EVERY, "--forward", "--limit=7"),
    ("query", EVERY, "--output=raw", "--limit=950", "--batch=100"),
    ("query", EVERY, "--output=raw", "--limit=0"),
    ("query", EVERY, "--output=raw", "--interval=100ms"),
    ("query", EVERY, "--output=jsonl", "--include-common-labels"),
    ("query", EVERY, "--no-labels"),
    ("query", EVERY, "--include-label=app"),
    ("query", f"{EVERY} | logfmt", "--exclude-label=app", "--exclude-label=n"),
    ("query", EVERY, "--labels-length=60"),
    *(("query", EVERY, f"--output-timestamp-format={form}", "--limit=3") for form in ("rfc3339nano", "rfc822z")),
    *(("query", EVERY, f"--output-timestamp-format={form}", "--limit=3") for form in ("rfc1123z", "unixdate")),
    *(("query", EVERY, f"--output-timestamp-format=stamp{unit}", "--limit=3") for unit in ("milli", "micro", "nano")),
    ("query", EVERY, "--output=raw", *PARTS),
    ("query", EVERY, "--output=raw", "--forward", *PARTS, "--merge-parts"),
    ("query", '{app="none"}'),
    ("instant-query", EVERY),
    ("labels",),
    ("labels", "app"),
    ("series", '{app="pay"}'),
    ("delete", "list"),
)


def test_the_same_is_printed(tenant: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logcli = str(go_program("logcli"))
    filled(tenant)
    access = ["--quiet", "--timezone=UTC", f"--addr={tenant.server.url}", f"--org-id={tenant.name}"]
    access += [f"--username={USER}", f"--password={PASSWORD}"]
    begin, end = (format_time(tenant.since_ns + after_ns, UTC, nanos=False) for after_ns in (0, 6 * 10**9))
    span = (f"--from={begin}", f"--to={end}")
    differences = []
    for number, words in enumerate(QUERIES):
        theirs, ours = tmp_path / f"{number}-logcli", tmp_path / f"{number}-lodur"
        theirs.mkdir()
        ours.mkdir()
        argv = [*access, *(word for word in words if word != SPAN), *(span if SPAN in words else ())]
        ran = subprocess.run([logcli, *argv], cwd=theirs, capture_output=True, text=True, timeout=RUN_S, check=False)
        monkeypatch.chdir(ours)
        printed = CliRunner().invoke(lodur, argv, prog_name="lodur")
        same = (ran.returncode == 0, ran.stdout, files_of(theirs)) == (
            printed.exit_code == 0,
            printed.stdout,
            files_of(ours),
        )
        if not same:
            differences.append((words, ran.stderr[:300], ran.stdout[:300], printed.stdout[:300], printed.stderr[:300]))
    assert differences == []


def files_of(directory: Path) -> dict[str, str]:
    """What was written there."""
    return {file.name: file.read_text() for file in directory.iterdir()}
