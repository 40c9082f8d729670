"""What the parsers of a pipeline are called where fields are told."""

from __future__ import annotations

from collections.abc import Sequence

from lodur.logql.stages import Stage
from lodur.logql.stages.json_parser import JsonParser
from lodur.logql.stages.logfmt_parser import LogfmtParser
from lodur.logql.stages.pattern_parser import PatternParser
from lodur.logql.stages.regexp_parser import RegexpParser
from lodur.logql.stages.unpack_parser import UnpackParser

_NAMES: dict[type[Stage], str] = {
    JsonParser: "json",
    LogfmtParser: "logfmt",
    PatternParser: "pattern",
    RegexpParser: "regexp",
    UnpackParser: "unpack",
}


def parser_names(stages: Sequence[Stage]) -> list[str]:
    """The stages that parse lines, by the words of the language, each once."""
    return list(dict.fromkeys(_NAMES[type(stage)] for stage in stages if type(stage) in _NAMES))
