"""Cases of the recorded corpus that are not answered as Loki does: those still to come, and those different on purpose."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

CONFORMANCE = Path(__file__).resolve().parent
CORPUS = CONFORMANCE / "logql"
NOT_YET = CONFORMANCE / "logql_not_yet.txt"
DIFFERENCES = CONFORMANCE.parents[1] / "docs" / "differences.md"

_CASES = re.compile(r"^\| ((?:[a-z]+-[0-9]{3} ?)+)\|", re.MULTILINE)
"""The first cell of a row of the table; other tables of the page begin with words."""


def not_yet() -> set[str]:
    """Cases that are to be answered as Loki does, and are not."""
    lines = NOT_YET.read_text().splitlines()
    return {f"dev-{word}" for line in lines if not line.startswith("#") for word in line.split()}


def accepted_differences() -> set[str]:
    """Cases whose answer is another one on purpose."""
    return {f"dev-{word}" for cell in _CASES.findall(DIFFERENCES.read_text()) for word in cell.split()}


def recorded_tags() -> dict[str, set[str]]:
    """The tags of every case of the corpus."""
    return {str(case["id"]): set(case["tags"]) for case in _recorded()}


def _recorded() -> Iterator[dict[str, list[str]]]:
    for file in sorted((CORPUS / "dev" / "cases").glob("*.jsonl")):
        for line in file.read_text("utf-8").splitlines():
            yield json.loads(line)
