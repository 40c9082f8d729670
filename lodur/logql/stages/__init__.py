"""The stages of a log pipeline: one file each, with its node, the function that reads it and its printed form."""

from __future__ import annotations

from typing import TypeAlias

from lodur.logql.stages.decolorize import Decolorize
from lodur.logql.stages.drop_labels import DropLabels
from lodur.logql.stages.json_parser import JsonParser
from lodur.logql.stages.keep_labels import KeepLabels
from lodur.logql.stages.label_filter import LabelFilter
from lodur.logql.stages.label_format import LabelFormat
from lodur.logql.stages.line_filter import LineFilter
from lodur.logql.stages.line_format import LineFormat
from lodur.logql.stages.logfmt_parser import LogfmtParser
from lodur.logql.stages.pattern_parser import PatternParser
from lodur.logql.stages.regexp_parser import RegexpParser
from lodur.logql.stages.unpack_parser import UnpackParser

Stage: TypeAlias = (
    LineFilter
    | JsonParser
    | LogfmtParser
    | RegexpParser
    | PatternParser
    | UnpackParser
    | LabelFilter
    | LineFormat
    | LabelFormat
    | Decolorize
    | DropLabels
    | KeepLabels
)
"""One step of a log pipeline. `Unwrap` stands apart: it ends the pipeline of a range aggregation."""
