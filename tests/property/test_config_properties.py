"""Any text and any arguments give a configuration or a ConfigError, and nothing else."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st

from lodur.config.blocks.all_blocks import CONFIG_FILE
from lodur.config.errors import ConfigError
from lodur.config.flags import parse_flags
from lodur.config.loading import parse_config_text
from lodur.config.printing import effective_yaml
from lodur.config.server_config import build_server_config

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["1h", "-1s", "5MB", "9EiB", "all", "s3", "filesystem", "s3://a:b@c:1/d", "2020-01-01", "v12", "$"]
    )
)
NAMES = st.sampled_from(sorted({part for path in CONFIG_FILE.entries for part in path.split(".")})) | st.text(
    max_size=8
)
TREES = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(NAMES, below, max_size=4), max_leaves=12
)
PATHS = st.sampled_from(sorted(CONFIG_FILE.entries))
VALUES = st.lists(st.tuples(PATHS, TREES), max_size=6)
FLAGS = sorted(flag for setting in CONFIG_FILE.settings() for flag in setting.all_flags())


def check(text: str) -> None:
    """Load a text all the way, and what is printed of it."""
    try:
        values, _ = parse_config_text(text, "loki.yaml", {"A": "b"})
        config = build_server_config(values, base=Path("/srv"), now_ns=10**18, cores=1)
    except ConfigError:
        return
    printed, _ = parse_config_text(effective_yaml(config), "printed.yaml")
    assert printed.nodes


def nested(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A tree with values at some of the schema's paths."""
    root: dict[str, object] = {}
    for path, value in pairs:
        *blocks, name = path.split(".")
        at = root
        for block in blocks:
            below = at.setdefault(block, {})
            if not isinstance(below, dict):
                break
            at = below
        at[name] = value
    return root


@given(st.text())
def test_any_text(text: str) -> None:
    check(text)


@given(st.text(alphabet="ab:-[]{}&*<>|!'\"#%@? \n\t,\\x0U~$"))
def test_any_text_of_yamls_own_characters(text: str) -> None:
    check(text)


@given(TREES)
def test_any_tree(tree: object) -> None:
    check(yaml.safe_dump(tree))


@given(VALUES)
def test_any_values_of_known_keys(pairs: list[tuple[str, object]]) -> None:
    check(yaml.safe_dump(nested(pairs)))


@given(st.lists(st.tuples(st.sampled_from(FLAGS) | st.text(max_size=8), SCALARS), max_size=4))
def test_any_arguments(pairs: list[tuple[str, object]]) -> None:
    with suppress(ConfigError):
        flags = parse_flags([f"-{name}={value}" for name, value in pairs], CONFIG_FILE)
        build_server_config(flags.values, base=Path("/srv"), now_ns=10**18, cores=1)
