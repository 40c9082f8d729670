from __future__ import annotations

import pytest

from lodur.logql.stages import Stage
from lodur.logql.stages.decolorize import Decolorize
from lodur.logql.stages.drop_labels import DropLabels
from lodur.logql.stages.keep_labels import KeepLabels
from lodur.logql.stages.label_format import LabelFormat, LabelRename, LabelTemplate
from lodur.logql.stages.line_format import LineFormat
from lodur.logql.stages.unpack_parser import UnpackParser
from lodur.model.matcher import Matcher, MatchOp
from tests.unit.logql.stages.stage_reading import refusal_of, stage_of

_TARGETS = ("x", Matcher("y", MatchOp.NOT_MATCHES, "z.*"), "__error__")


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("| unpack", UnpackParser()),
        ("| decolorize", Decolorize()),
        ('| line_format "{{.x}}"', LineFormat("{{.x}}")),
        ('| label_format x=y, z="{{.w}}"', LabelFormat((LabelRename("x", "y"), LabelTemplate("z", "{{.w}}")))),
        ('| drop x, y!~"z.*", __error__', DropLabels(_TARGETS)),
        ('| keep x, y!~"z.*", __error__', KeepLabels(_TARGETS)),
    ],
)
def test_stages(text: str, stage: Stage) -> None:
    assert stage_of(text) == stage


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('| line_format "{{"', "invalid line template: template: line:1: unclosed action"),
        ('| label_format x="{{"', "invalid template for label 'x': template: label:1: unclosed action"),
        ("| label_format x=y,x=z", "multiple label name 'x' not allowed in a single format operation"),
        ("| label_format __error__=x", "__error__ cannot be formatted"),
    ],
)
def test_stages_that_cannot_work(text: str, reason: str) -> None:
    assert refusal_of(text) == f"parse error : stage '{text}' : {reason}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("| line_format x", "IDENTIFIER, expecting STRING"),
        ("| label_format", "$end, expecting IDENTIFIER"),
        ("| label_format x", "$end, expecting ="),
        ("| label_format x=", "$end, expecting IDENTIFIER or STRING"),
        ('| drop "x"', "STRING, expecting IDENTIFIER"),
        ("| drop x,", "$end, expecting IDENTIFIER"),
        ("| keep x=y", "IDENTIFIER, expecting STRING"),
    ],
)
def test_wrong_words(text: str, expected: str) -> None:
    assert refusal_of(text).endswith(f"syntax error: unexpected {expected}")


def test_wrong_regular_expression() -> None:
    assert refusal_of('| drop x=~"("') == "parse error : error parsing regexp: missing closing ): `(`"
