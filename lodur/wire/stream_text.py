"""Label sets as they stand in pushes and errors: `{app="x", env="prod"}`, values as Go writes strings."""

from __future__ import annotations

import re

from lodur.model.go_strings import unquote
from lodur.model.label_set import LabelSet

_PAIR = re.compile(r'([^\s={},"]+)="((?:[^"\\]|\\.)*)"', re.DOTALL)


def parse_stream(text: str) -> LabelSet:
    """The labels of an accepted stream, whose text is in order."""
    return LabelSet(tuple((name, unquote(value)) for name, value in _PAIR.findall(text)))
