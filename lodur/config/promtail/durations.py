"""Promtail's durations: Go text, kept here as seconds."""

from __future__ import annotations

from lodur.config.errors import BadValue, Problem
from lodur.config.kinds import Kind, wrong_type
from lodur.config.yaml_nodes import Node, ScalarNode, plain_scalar
from lodur.model.durations import NS_PER_S, parse_go_duration


def _parse(node: Node) -> float:
    if not isinstance(node, ScalarNode):
        raise wrong_type(node, "time.Duration")
    try:
        duration_ns = parse_go_duration(node.text)
    except ValueError:
        raise wrong_type(node, "time.Duration", "use a duration such as 500ms, 10s, 1h30m") from None
    if duration_ns < 0:
        raise BadValue(Problem(node.line, f"{node.text} is negative, use a duration such as 10s"))
    return duration_ns / NS_PER_S


GO_DURATION_S: Kind[float] = Kind("duration", _parse, plain_scalar)
"""Seconds of a Go duration that is not negative."""
