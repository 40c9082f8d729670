"""`lodur delete` against a server that answers as it is told."""

from __future__ import annotations

import pytest

from tests.unit.cli.fake_loki import Cli, FakeLoki

AUDIT = "/lodur/api/v1/deletes/audit"
TRAIL = {
    "request_id": "17171a0c",
    "start_time": 1730000000,
    "end_time": 1730600000,
    "query": '{app="shop"}',
    "created_at": 1730700000,
    "created_by": "anna at 10.0.0.7",
    "started_at": 1730800000,
    "processed_at": 1730800060.5,
    "cancelled": None,
    "removed_entries": 3,
    "removals": [{"segment": "t/segments/a.parquet", "entries": 3, "at": 1730800050, "by": "w1", "into": []}],
}


@pytest.mark.parametrize(
    ("facts", "lines"),
    [
        # Servers before this field have none.
        ({}, []),
        ({"unread_segments": []}, []),
        (
            {"unread_segments": ["t/segments/b.parquet"]},
            ["  unread    t/segments/b.parquet: damaged or missing, it may have entries of this request"],
        ),
    ],
)
def test_the_audit_trail_tells_what_was_removed_and_what_could_not_be_read(
    cli: Cli, loki: FakeLoki, facts: dict[str, list[str]], lines: list[str]
) -> None:
    loki.will_answer(AUDIT, [TRAIL | facts])
    told = cli("delete", "list", "--audit", "--timezone", "UTC")
    assert told.exit_code == 0, told.stderr
    _, _, _, _, removed, *unread, processed, total = told.stdout.splitlines()
    assert "3 entries of t/segments/a.parquet, the rest in no segment, by w1" in removed
    assert unread == lines
    assert processed.startswith("  processed 2024-11-05T")
    assert total == "  3 entries removed"
