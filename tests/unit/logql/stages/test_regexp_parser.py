from __future__ import annotations

import pytest

from lodur.logql.stages.regexp_parser import RegexpParser
from tests.unit.logql.stages.stage_reading import refusal_of, stage_of


def test_names_are_known() -> None:
    text = "(?P<a>x)(y)(?P<b>z)"
    assert stage_of(f'| regexp "{text}"') == RegexpParser(text, ("a", "b"))


@pytest.mark.parametrize(
    ("regexp", "reason"),
    [
        (".*", "at least one named capture must be supplied"),
        ("(?P<a>.)(?P<a>.)", "duplicate extracted label name 'a'"),
        ("(?P<1a>.)", "invalid extracted label name '1a'"),
        ("(?P<a>.*", "error parsing regexp: missing closing ): `(?P<a>.*`"),
    ],
)
def test_refused(regexp: str, reason: str) -> None:
    assert refusal_of(f'| regexp "{regexp}"') == f"parse error : invalid regexp parser: {reason}"
