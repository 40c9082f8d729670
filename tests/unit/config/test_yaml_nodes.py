"""The YAML tree: lines, tags, duplicates, aliases, and the bounds that hold against hostile files."""

from __future__ import annotations

from contextlib import suppress

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lodur.config.yaml_nodes import (
    DEPTH_MAX,
    YAML_BYTES_MAX,
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
    YamlError,
    parse_yaml,
)


def plain(node: Node | None) -> object:
    """Nodes as Python values, scalars as text."""
    match node:
        case None:
            return None
        case ScalarNode(text=text):
            return text
        case SequenceNode(items=items):
            return [plain(item) for item in items]
        case MappingNode(entries=entries):
            return [(key.text, plain(value)) for key, value in entries]


def test_lines_and_tags_are_kept() -> None:
    root = parse_yaml("a: 1\nb:\n  - true\n  - 'x'\n  - 2020-01-01\n  - ~\n")
    assert isinstance(root, MappingNode)
    (key_a, a), (key_b, b) = root.entries
    assert (key_a.line, a) == (1, ScalarNode("1", "!!int", 1))
    assert isinstance(b, SequenceNode)
    assert key_b.line == 2
    assert b.items == (
        ScalarNode("true", "!!bool", 3),
        ScalarNode("x", "!!str", 4),
        ScalarNode("2020-01-01", "!!timestamp", 5),
        ScalarNode("~", "!!null", 6),
    )


def test_duplicate_keys_are_kept() -> None:
    assert plain(parse_yaml("a: 1\na: 2\n")) == [("a", "1"), ("a", "2")]


def test_empty_texts_have_no_tree() -> None:
    assert parse_yaml("") is None
    assert parse_yaml("# nothing\n") is None


def test_aliases_and_merges_are_resolved() -> None:
    text = "base: &b {x: 1, y: 2}\nown:\n  <<: *b\n  y: 3\nlist:\n  <<: [*b, {z: 4}]\nagain: *b\n"
    assert plain(parse_yaml(text)) == [
        ("base", [("x", "1"), ("y", "2")]),
        ("own", [("y", "3"), ("x", "1")]),
        ("list", [("x", "1"), ("y", "2"), ("z", "4")]),
        ("again", [("x", "1"), ("y", "2")]),
    ]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a: [1\nb: 2", 2, "expected ',' or ']'"),
        ("a: *x", 1, "unknown anchor 'x' referenced"),
        ("a: &a [*a]", 1, "anchor 'a' value contains itself"),
        ("a: 1\n---\nb: 2\n", 2, "more than one document"),
        ("? [a]\n: 1\n", 1, "a map's key must be a single value"),
        ("<<: 1\n", 1, "map merge requires map or sequence of maps as the value"),
        ("[" * 200 + "]" * 200, 1, f"nested deeper than {DEPTH_MAX} levels"),
        ("a: \0", 0, "special characters are not allowed"),
        ('a: "\\UFFFFFFFF"', 0, "an escape names no character"),
        ("a: " + "x" * YAML_BYTES_MAX, 0, "more than"),
    ],
)
def test_what_cannot_be_used_is_refused(text: str, line: int, problem: str) -> None:
    with pytest.raises(YamlError) as caught:
        parse_yaml(text)
    assert caught.value.line == line
    assert problem in caught.value.problem


def test_aliases_of_aliases_do_not_explode() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(YamlError, match="more than"):
        parse_yaml("\n".join(lines))


TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["C"])),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text("abc", min_size=1), children, max_size=4),
    max_leaves=20,
)


@given(TREES)
def test_what_the_library_prints_is_read(tree: object) -> None:
    text = yaml.safe_dump(tree, allow_unicode=True)
    expected = yaml.load(text, Loader=yaml.BaseLoader)
    root = parse_yaml(text)

    def same(node: Node | None, value: object) -> bool:
        match node, value:
            case SequenceNode(items=items), list():
                return len(items) == len(value) and all(map(same, items, value))
            case MappingNode(entries=entries), dict():
                return {key.text for key, _ in entries} == set(value) and all(
                    same(child, value[key.text]) for key, child in entries
                )
            case ScalarNode(text=scalar), str():
                return scalar == value
            case _:
                return False

    assert same(root, expected)


@given(st.text(alphabet="ab:-[]{}&*<>|!'\"#%@? \n\t,\\x0U~"))
def test_any_text_parses_or_is_refused(text: str) -> None:
    with suppress(YamlError):
        parse_yaml(text)
