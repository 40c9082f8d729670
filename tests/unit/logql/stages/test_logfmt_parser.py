from __future__ import annotations

import pytest

from lodur.logql.stages.logfmt_parser import LogfmtExtraction, LogfmtParser
from tests.unit.logql.stages.stage_reading import refusal_of, stage_of


def test_flags() -> None:
    assert stage_of("| logfmt") == LogfmtParser()
    assert stage_of("| logfmt --keep-empty --strict --strict") == LogfmtParser(strict=True, keep_empty=True)


def test_named_keys() -> None:
    assert stage_of('| logfmt --strict a=" k ",b') == LogfmtParser(
        strict=True, extractions=(LogfmtExtraction("a", "k"), LogfmtExtraction("b", "b"))
    )


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("k.v", "unexpected char ."),
        ("foo-bar", "unexpected char -"),
        ("a b", "syntax error: unexpected KEY"),
        ("", "syntax error: unexpected $end, expecting KEY"),
    ],
)
def test_refused(key: str, reason: str) -> None:
    stage = f'| logfmt x="{key}"'
    assert refusal_of(stage) == f"parse error : stage '{stage}' : cannot parse expression [{key}]: {reason}"
