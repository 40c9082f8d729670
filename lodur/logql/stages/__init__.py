"""The stages of a log pipeline: one file each, with its node, the function that reads it and its printed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from lodur.logql.stages.decolorize import Decolorize, parse_decolorize
from lodur.logql.stages.drop_labels import DropLabels, parse_drop_labels
from lodur.logql.stages.json_parser import JsonParser, parse_json_parser
from lodur.logql.stages.keep_labels import KeepLabels, parse_keep_labels
from lodur.logql.stages.label_filter import LabelFilter, parse_label_filter
from lodur.logql.stages.label_format import LabelFormat, parse_label_format
from lodur.logql.stages.line_filter import LINE_FILTER_OPS, LineFilter, parse_line_filter
from lodur.logql.stages.line_format import LineFormat, parse_line_format
from lodur.logql.stages.logfmt_parser import LogfmtParser, parse_logfmt_parser
from lodur.logql.stages.pattern_parser import PatternParser, parse_pattern_parser
from lodur.logql.stages.regexp_parser import RegexpParser, parse_regexp_parser
from lodur.logql.stages.unpack_parser import UnpackParser, parse_unpack_parser
from lodur.logql.token_stream import TokenStream
from lodur.logql.tokens import TokenKind

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

_PARSERS: dict[TokenKind, Callable[[TokenStream, int], Stage]] = {
    TokenKind.IDENTIFIER: parse_label_filter,
    TokenKind.OPEN_PAREN: parse_label_filter,
    TokenKind.JSON: parse_json_parser,
    TokenKind.LOGFMT: parse_logfmt_parser,
    TokenKind.REGEXP: parse_regexp_parser,
    TokenKind.PATTERN: parse_pattern_parser,
    TokenKind.UNPACK: parse_unpack_parser,
    TokenKind.LINE_FORMAT: parse_line_format,
    TokenKind.LABEL_FORMAT: parse_label_format,
    TokenKind.DECOLORIZE: parse_decolorize,
    TokenKind.DROP: parse_drop_labels,
    TokenKind.KEEP: parse_keep_labels,
}


def parse_stages(tokens: TokenStream) -> tuple[Stage, ...]:
    """Read stages as far as they go; `| unwrap` is left to the caller."""
    stages: list[Stage] = []
    while True:
        kind = tokens.current.kind
        if kind in LINE_FILTER_OPS:
            stages.append(parse_line_filter(tokens))
        elif kind is TokenKind.PIPE and tokens.next_kind() is not TokenKind.UNWRAP:
            start = tokens.take().start
            parse = _PARSERS.get(tokens.current.kind)
            if parse is None:
                raise tokens.unexpected()
            stages.append(parse(tokens, start))
        else:
            return tuple(stages)
