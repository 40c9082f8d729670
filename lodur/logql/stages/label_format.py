"""`| label_format new=old, text="{{.a}}"`: rename labels, or make them by a template."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from lodur.logql.selector import NO_SPAN
from lodur.logql.token_stream import TokenStream
from lodur.logql.tokens import TokenKind
from lodur.model.errors import Span
from lodur.model.go_strings import quote


@dataclass(frozen=True, slots=True)
class LabelRename:
    """`name` takes the value of `source`, which disappears."""

    name: str
    source: str

    def __str__(self) -> str:
        return f"{self.name}={self.source}"


@dataclass(frozen=True, slots=True)
class LabelTemplate:
    """`name` takes what `template` makes of the labels as they were before the stage."""

    name: str
    template: str

    def __str__(self) -> str:
        return f"{self.name}={quote(self.template)}"


LabelChange: TypeAlias = LabelRename | LabelTemplate
"""One assignment of the stage."""


@dataclass(frozen=True, slots=True)
class LabelFormat:
    """Sets labels; each name at most once."""

    changes: tuple[LabelChange, ...]
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __str__(self) -> str:
        return f"| label_format {','.join(map(str, self.changes))}"


def parse_label_format(tokens: TokenStream, start: int) -> LabelFormat:
    """Read the stage from the word `label_format` on; its bar stands at `start`."""
    tokens.take()
    changes = [_parse_change(tokens)]
    while tokens.accept(TokenKind.COMMA):
        changes.append(_parse_change(tokens))
    return LabelFormat(tuple(changes), tokens.span_from(start))


def _parse_change(tokens: TokenStream) -> LabelChange:
    name = tokens.expect(TokenKind.IDENTIFIER).text
    tokens.expect(TokenKind.EQ)
    source = tokens.expect(TokenKind.IDENTIFIER, TokenKind.STRING)
    return LabelRename(name, source.text) if source.kind is TokenKind.IDENTIFIER else LabelTemplate(name, source.text)
