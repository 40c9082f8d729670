"""Every query of the recorded corpus parses, or is refused, as the reference did it; no server is needed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lodur.logql.parser import parse_query, parse_selector, parse_series_selectors
from lodur.logql.pretty import format_query
from lodur.model.errors import QuerySyntaxError

_CASES = Path(__file__).parents[2] / "conformance" / "logql" / "dev" / "cases"
_QUERY_PATHS = {"/loki/api/v1/query", "/loki/api/v1/query_range", "/loki/api/v1/format_query"}
_SELECTOR_PATHS = {
    "/loki/api/v1/labels",
    "/loki/api/v1/index/stats",
    "/loki/api/v1/index/volume",
    "/loki/api/v1/patterns",
}
_REFUSED = ("parse error", "only label matchers", "0 matchers in group")


@dataclass(frozen=True, slots=True)
class _Recorded:
    """A query with what the reference said: the error text of parsing, empty if it parsed."""

    case_id: str
    path: str
    texts: tuple[str, ...]
    error: str
    error_class: str


def _recorded(*, paths: set[str]) -> Iterator[_Recorded]:
    for file in sorted(_CASES.glob("*.jsonl")):
        for line in file.read_text("utf-8").splitlines():
            case = json.loads(line)
            texts = tuple(value for name, value in case.get("params", ()) if name in ("query", "match", "match[]"))
            if case["path"] not in paths or not texts:
                continue
            error = case["expect"].get("error") or ""
            if case["path"].endswith("format_query") and error:
                error = json.loads(error)["error"]
            error_class = case.get("compare", {}).get("class", "")
            refused = error if error.startswith(_REFUSED) else ""
            yield _Recorded(case["id"], case["path"], texts, refused, error_class if refused else "")


def _answer(recorded: _Recorded) -> str:
    """The error text of reading the texts; empty if they are right."""
    try:
        if recorded.path.endswith("/series"):
            parse_series_selectors(recorded.texts)
        elif recorded.path in _SELECTOR_PATHS:
            parse_selector(recorded.texts[0])
        else:
            parse_query(recorded.texts[0])
    except QuerySyntaxError as error:
        return str(error)
    return ""


_QUERIES = list(_recorded(paths=_QUERY_PATHS))
_SELECTORS = list(_recorded(paths=_SELECTOR_PATHS | {"/loki/api/v1/series"}))


def test_the_corpus_is_there() -> None:
    assert len(_QUERIES) > 1500
    assert len([recorded for recorded in _QUERIES if recorded.error]) > 200
    assert len(_SELECTORS) > 50


@pytest.mark.parametrize("recorded", [r for r in (*_QUERIES, *_SELECTORS) if r.error], ids=lambda r: r.case_id)
def test_refused_with_the_recorded_text(recorded: _Recorded) -> None:
    answer = _answer(recorded)
    assert answer.startswith(recorded.error_class or recorded.error)
    assert answer.rstrip() == recorded.error


def test_everything_else_is_accepted() -> None:
    accepted = [recorded for recorded in (*_QUERIES, *_SELECTORS) if not recorded.error]
    assert {recorded.case_id: _answer(recorded) for recorded in accepted if _answer(recorded)} == {}


def test_accepted_queries_print_to_themselves() -> None:
    for recorded in _QUERIES:
        if not recorded.error:
            query = parse_query(recorded.texts[0])
            assert parse_query(str(query)) == query


def test_formats_as_recorded() -> None:
    compared = 0
    for line in (_CASES / "16-format-query.jsonl").read_text("utf-8").splitlines():
        case = json.loads(line)
        if formatted := case["expect"].get("data"):
            assert format_query(parse_query(dict(case["params"])["query"])) == formatted, case["id"]
            compared += 1
    assert compared > 30


def test_formatting_the_corpus_keeps_every_query() -> None:
    for recorded in _QUERIES:
        if not recorded.error:
            query = parse_query(recorded.texts[0])
            formatted = format_query(query)
            assert parse_query(formatted) == query
            assert format_query(parse_query(formatted)) == formatted
