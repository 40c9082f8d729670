"""The tree of a configuration's YAML: that of `lodur.wire.yaml_nodes`, as this package knows it."""

from __future__ import annotations

from lodur.wire.yaml_nodes import (
    DEPTH_MAX,
    NODES_MAX,
    YAML_BYTES_MAX,
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
    YamlError,
    is_null,
    parse_yaml,
    plain_scalar,
    scalar,
)

__all__ = [
    "DEPTH_MAX",
    "NODES_MAX",
    "YAML_BYTES_MAX",
    "MappingNode",
    "Node",
    "ScalarNode",
    "SequenceNode",
    "YamlError",
    "is_null",
    "parse_yaml",
    "plain_scalar",
    "scalar",
]
