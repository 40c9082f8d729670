from __future__ import annotations

from lodur.logql.pattern_expression import PatternCapture, PatternLiteral
from lodur.logql.stages.pattern_parser import PatternParser
from tests.unit.logql.stages.stage_reading import refusal_of, stage_of


def test_parts_are_known() -> None:
    parts = (PatternCapture("ip"), PatternLiteral(" "), PatternCapture(""))
    assert stage_of('| pattern "<ip> <_>"') == PatternParser("<ip> <_>", parts)


def test_refused() -> None:
    assert refusal_of('| pattern "x"') == "parse error : invalid pattern parser: at least one capture is required"
    assert refusal_of("| pattern x").endswith("unexpected IDENTIFIER, expecting STRING")
