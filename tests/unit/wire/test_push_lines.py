"""Lines as bodies of push requests."""

from __future__ import annotations

import pytest

from lodur.model.label_set import LabelSet
from lodur.wire.push_lines import push_of_lines

LABELS = LabelSet.of({"job": "x", "app": 'say "hi"'})


@pytest.mark.parametrize(
    ("chunk", "final", "lines", "consumed"),
    [
        (b"alpha\nbeta\nrest", False, 2, 11),
        (b"alpha\nbeta\nrest", True, 3, 15),
        (b"rest", False, 0, 0),
        (b"\n\n", False, 2, 2),
        (b"", True, 0, 0),
    ],
)
def test_lines_end_at_newlines(chunk: bytes, final: bool, lines: int, consumed: int) -> None:
    push = push_of_lines(chunk, labels=LABELS, ts_ns=1, ts_step_ns=1, final=final)
    assert (push.lines, push.consumed) == (lines, consumed)
    assert bool(push.body) == bool(lines)


def test_body_holds_labels_in_text_form() -> None:
    body = push_of_lines(b"alpha\n", labels=LABELS, ts_ns=1, ts_step_ns=1, final=True).body
    assert b'{app="say \\"hi\\"", job="x"}' in body
    assert b"alpha" in body
