from __future__ import annotations

from lodur.logql.stages.json_parser import JsonExtraction, JsonParser
from tests.unit.logql.stages.stage_reading import refusal_of, stage_of


def test_all_members() -> None:
    assert stage_of("| json") == JsonParser()
    assert stage_of("| JSON") == JsonParser()


def test_named_members() -> None:
    assert stage_of('| json a="x.y[0]", b') == JsonParser(
        (JsonExtraction("a", "x.y[0]", ("x", "y", 0)), JsonExtraction("b", "b", ("b",)))
    )


def test_refused() -> None:
    reason = "syntax error: unexpected DOT, expecting FIELD"
    assert refusal_of('| json x="a..b",y') == (
        f'parse error : stage \'| json x="a..b",y="y"\' : cannot parse expression [a..b]: {reason}'
    )
    assert refusal_of("| json x=y").endswith("unexpected IDENTIFIER, expecting STRING")
    assert refusal_of("| json --strict").endswith("unexpected FUNCTION_FLAG")
