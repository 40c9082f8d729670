"""The plan messages of pipelines: closed, versioned, and the same on both sides."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from lodur.kernels import plan

RECORDED = Path(__file__).parent / "data" / "pipeline_plan.msgpack"
"""The message of `EVERY_STAGE`, which the tests of plan.rs read too."""

EVERY_STAGE = plan.PipelinePlan(
    stages=(
        plan.LineFilter(plan.LineFilterOp.CONTAINS, (plan.LineText("a"), plan.LineIp("10.0.0.0/8"))),
        plan.LineFilter(plan.LineFilterOp.NOT_MATCHES, (plan.LineText("b+"),)),
        plan.LineFilter(plan.LineFilterOp.PATTERN, (plan.LineText("<_> c"),)),
        plan.Json(),
        plan.Json((plan.Extraction("s", "http.status"),)),
        plan.Logfmt(strict=True, keep_empty=True, extractions=(plan.Extraction("k", "key"),)),
        plan.Regexp("(?P<n>x)"),
        plan.Pattern("<p> y"),
        plan.Unpack(),
        plan.LabelFilter(
            plan.Or(
                (
                    plan.And(
                        (
                            plan.Match("level", plan.MatchOp.NOT_REGEX, "info|debug"),
                            plan.Number("status", plan.CompareOp.GREATER_OR_EQUAL, 500.0),
                        )
                    ),
                    plan.Duration("took", plan.CompareOp.LESS, -5),
                    plan.Bytes("size", plan.CompareOp.NOT_EQUAL, 2**63),
                    plan.Ip("addr", True, "::1"),
                )
            )
        ),
        plan.Drop((plan.LabelTarget("a"), plan.LabelTarget("b", plan.ValueMatcher(plan.MatchOp.EQUAL, "v")))),
        plan.Keep((plan.LabelTarget("c"),)),
        plan.Decolorize(),
        plan.LineFormat("{{.a}}"),
        plan.LabelFormat((plan.Rename("d", "e"), plan.Template("f", "{{.g}}"))),
    ),
    unwrap=plan.Unwrap("took", plan.Conversion.DURATION_SECONDS, (plan.Match("__error__", plan.MatchOp.EQUAL, ""),)),
)


def test_round_trip() -> None:
    assert plan.decode(plan.encode(EVERY_STAGE)) == EVERY_STAGE


def test_message_is_the_recorded_one() -> None:
    assert plan.encode(EVERY_STAGE) == RECORDED.read_bytes()


@pytest.mark.parametrize("message", [{"stages": [{"type": "nonsense"}]}, {"stages": [{"type": "drop"}]}, {"stages": 1}])
def test_other_shapes_are_refused(message: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        plan.decode(msgspec.msgpack.encode(message))
