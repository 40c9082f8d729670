"""The page of compatibility says what the program's registries say, and the tests that it names are there."""

from __future__ import annotations

import re

import pytest

from lodur.config.blocks.all_blocks import CONFIG_FILE
from lodur.config.schema import Setting
from lodur.logql.template_syntax import FUNCTIONS
from lodur.logql.tokens import AGGREGATIONS, CALLS, KEYWORDS, OPERATORS
from tests.compatibility import notes
from tests.compatibility.evidence import ROOT
from tests.compatibility.page import ABSENT, PAGE, Row, sections
from tests.fuzz_routes.routes import lodur_routes

WRITE = "run: python -m tests.compatibility"


@pytest.fixture(scope="module")
def rows() -> dict[str, list[Row]]:
    return sections()


def without_tests(line: str) -> str:
    """A line but for its last cell: which tests name a key changes with every test."""
    return re.sub(r"[^|]*\|$", "", line)


def test_the_page_says_what_the_registries_say(rows: dict[str, list[Row]]) -> None:
    written = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    expected = [row.text() for table in rows.values() for row in table]
    assert [without_tests(line) for line in written] == [without_tests(line) for line in expected], WRITE


def test_the_tests_that_the_page_names_are_there() -> None:
    named = set(re.findall(r"`((?:system|property|unit)/[\w/]+\.py)`", PAGE.read_text(encoding="utf-8")))
    assert len(named) > 20
    assert [name for name in named if not (ROOT / "tests" / name).exists()] == [], WRITE


def test_there_are_tests_behind_every_row(rows: dict[str, list[Row]]) -> None:
    bare = [row for table in rows.values() for row in table if row.status != ABSENT and not row.tests]
    assert bare == []


def test_notes_are_about_something() -> None:
    paths = {route.path for route in lodur_routes()}
    assert {*notes.ENDPOINTS, *notes.OWN_ENDPOINTS} <= paths
    assert not paths & set(notes.NOT_SERVED)
    assert set(notes.WORDS) <= {*OPERATORS, *KEYWORDS, *CALLS, *AGGREGATIONS, *FUNCTIONS}
    assert set(notes.KEYS) <= {entry.path for entry in CONFIG_FILE.entries.values() if isinstance(entry, Setting)}
