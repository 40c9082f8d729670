"""The corpus of recorded answers of Loki, put to a server: whatever is not listed as missing must be the same.

What is missing is listed in tests/conformance/logql_not_yet.txt, what is different on purpose in docs/differences.md; a
listed case that passes fails the test too, so that the lists only shrink.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conformance.known_differences import CORPUS, accepted_differences, not_yet
from tests.conftest import StartLodur

RUN_S = 240.0
"""Deadline of a run: it takes a quarter of a minute on an idle machine."""


@dataclass(frozen=True, slots=True)
class Case:
    """The outcome of one case; `reason` is the difference, empty where there is none."""

    id: str
    reason: str


def run_corpus(url: str, report: Path) -> list[Case]:
    """Push the corpus to an empty server and ask all its questions."""
    options = ["--push", "--show", "0", "--workers", "2", "--report", str(report)]
    done = subprocess.run(
        [sys.executable, str(CORPUS / "run.py"), "--url", url, "--corpus", str(CORPUS / "dev"), *options],
        env={**os.environ, "TZ": "UTC"},
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    print(done.stdout)
    assert report.exists(), done.stdout + done.stderr
    cases = json.loads(report.read_text())["cases"]
    return [Case(case["id"], "" if case["ok"] else str(case["reason"])) for case in cases]


def test_answers_are_those_of_loki(lodur_server: StartLodur, tmp_path: Path) -> None:
    server = lodur_server(
        "-config.expand-env=true",
        config_text=(CORPUS / "config.yaml").read_text(),
        environment={"DATA": "data", "TZ": "UTC"},
    )
    cases = run_corpus(server.url, tmp_path / "report.json")
    expected = not_yet() | accepted_differences()
    assert expected <= {case.id for case in cases}, "the list names cases that do not exist"
    broken = [f"{case.id}: {case.reason}" for case in cases if case.reason and case.id not in expected]
    mended = [case.id for case in cases if not case.reason and case.id in expected]
    assert broken == []
    if mended:
        pytest.fail(f"passing now, take them off the lists: {' '.join(mended)}")
