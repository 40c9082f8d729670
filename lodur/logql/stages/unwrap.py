"""`| unwrap duration(took) | __error__=""`: a label's value becomes the sample of a range aggregation."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from lodur.logql.selector import NO_SPAN
from lodur.logql.stages.label_filter import LabelFilter
from lodur.model.errors import Span


class UnwrapConversion(Enum):
    """How the text becomes a number; the value is the written function, empty for a plain float."""

    NUMBER = ""
    BYTES = "bytes"
    DURATION = "duration"
    DURATION_SECONDS = "duration_seconds"


@dataclass(frozen=True, slots=True)
class Unwrap:
    """Takes the sample from `label`; `filters` see the labels afterwards, the error of the conversion too."""

    label: str
    conversion: UnwrapConversion = UnwrapConversion.NUMBER
    filters: tuple[LabelFilter, ...] = ()
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        source = self.label
        if self.conversion is not UnwrapConversion.NUMBER:
            source = f"{self.conversion.value}({self.label})"
        return " ".join(("| unwrap", source, *map(str, self.filters)))
