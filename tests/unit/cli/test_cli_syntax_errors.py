"""A refused query is shown with a caret under the place, and a hint."""

from __future__ import annotations

import pytest

from tests.unit.cli.fake_loki import Cli, FakeLoki

SAID = "parse error at line 1, col 13: syntax error: unexpected IDENTIFIER"


@pytest.mark.parametrize(
    ("words", "path", "shown"),
    [
        (("query", '{app="shop"} json'), "query_range", '{app="shop"} json\n             ^^^^\n'),
        (("query", '{app="shop"}\n  | json | ! = 3'), "query_range", "  | json | ! = 3\n           ^\n"),
        (("instant-query", 'sum(rate({app="shop"}[5m])'), "query", 'sum(rate({app="shop"}[5m])\n'),
        (("labels", "--query", '{app="shop"'), "labels", '{app="shop"\n'),
        (("series", '{app="shop"}', '{app=shop"}'), "series", '{app=shop"}\n     ^'),
    ],
)
def test_caret_stands_under_the_place(cli: Cli, loki: FakeLoki, words: tuple[str, ...], path: str, shown: str) -> None:
    loki.will_answer(f"/loki/api/v1/{path}", SAID, 400)
    result = cli(*words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {loki.url} answered 400: {SAID}\n{shown}")
    assert "^" in result.stderr.splitlines()[2]


@pytest.mark.parametrize("words", [("query", '{app="x"}'), ("labels", "--query", '{app="x"}'), ("series", "{}")])
def test_no_caret_where_the_query_is_well_formed(cli: Cli, loki: FakeLoki, words: tuple[str, ...]) -> None:
    path = {"query": "query_range"}.get(words[0], words[0])
    loki.will_answer(f"/loki/api/v1/{path}", "the query time range exceeds the limit", 400)
    result = cli(*words)
    assert result.stderr == f"Error: {loki.url} answered 400: the query time range exceeds the limit\n"


@pytest.mark.parametrize(
    ("words", "path", "hint"),
    [
        (("query", '{app="shop"} = "x"'), "query_range", "a line filter has a bar: |= for lines with the text"),
        (("query", '{app=~".*"}'), "query_range", "ask for a label that must be there"),
        (("instant-query", 'rate({app="shop"})'), "query", "a window is missing: rate({…}[5m])"),
        (("labels", "--query", "{app=shop}"), "labels", 'a text needs quotes: app="shop"'),
        (("series", '{app="shop"'), "series", "the { in column 1 is not closed: add }"),
    ],
)
def test_hint_says_what_was_meant(cli: Cli, loki: FakeLoki, words: tuple[str, ...], path: str, hint: str) -> None:
    loki.will_answer(f"/loki/api/v1/{path}", SAID, 400)
    assert f"\nhint: {hint}" in cli(*words).stderr


def test_lines_asked_for_at_one_moment(cli: Cli, loki: FakeLoki) -> None:
    loki.will_answer("/loki/api/v1/query", "log queries are not supported as an instant query type, please change", 400)
    result = cli("instant-query", '{app="shop"}')
    assert result.stderr.splitlines()[-1].startswith("hint: `lodur query` asks for log lines")


def test_explain_needs_no_server_for_it(offline: Cli) -> None:
    result = offline("query", '{app="shop"} | jsn | x="y"', "--explain")
    assert result.exit_code == 1
    assert result.stderr.endswith("^\nhint: there is no stage 'jsn': did you mean 'json'?\n")
