"""The tree inspects itself: sizes, names and words that CONTRIBUTING.md promises."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

MODULE_LINES_MAX = 800
"""A reader holds a concept of this size; aim at half of it."""

FUNCTION_LINES_MAX = 70
"""The longest that still fits a screen, signature included; aim at 40."""

BANNED_NAMES = frozenset({"util", "utils", "helper", "helpers", "common", "misc", "base", "manager", "managers"})
"""Names that say nothing about what is inside."""

NAMED_BY_OTHERS = frozenset({"lodur/config/blocks/common.py", "tests/unit/config/blocks/test_common.py"})
"""Files of the `common:` block of the configuration, whose name is Loki's."""

BANNED_WORDS = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX|HA" + r"CK)\b")

BANNED_CONTENTS = {
    "a package host": re.compile(
        r"(?:py"
        + r"pi\.org|python"
        + r"hosted\.org|cra"
        + r"tes\.io|proxy\.gol"
        + r"ang|sum\.gol"
        + r"ang|npm"
        + r"js\.)"
    ),
    "a path of somebody's machine": re.compile(r"(?<![\w.])/(?:ho" + r"me|ro" + r"ot|Us" + r"ers|wo" + r"rk)/\w"),
}

LOCKED_BY_CARGO = ("rust/Cargo.lock", "tests/clients/tracing-loki/Cargo.lock")
"""Cargo writes its registry's address into each entry; no option leaves it out."""

RECORDED = ("conformance/", "tests/compat/", "tests/conformance/")
"""Recorded inputs and answers: data, whatever words are in it."""

BINARY = frozenset({".gz", ".parquet", ".snappy", ".zst", ".bin", ".png"})


@cache
def tracked() -> tuple[Path, ...]:
    """The files of the repository as paths below its root: what is committed, or would be."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(path for line in listing.stdout.splitlines() if (ROOT / (path := Path(line))).is_file())


def sources(*suffixes: str) -> list[Path]:
    return [path for path in tracked() if path.suffix in suffixes and not is_recorded(path)]


def is_recorded(path: Path) -> bool:
    return str(path).startswith(RECORDED) or path.suffix in BINARY


def lines_of(path: Path) -> list[str]:
    return (ROOT / path).read_text().splitlines()


def test_there_are_files_to_inspect() -> None:
    assert len(sources(".py")) > 20
    assert len(sources(".rs")) > 1
    assert len(sources(".md")) > 5


def test_modules_are_small() -> None:
    sizes = {str(path): len(lines_of(path)) for path in sources(".py", ".pyi", ".rs")}
    assert {path: size for path, size in sizes.items() if size > MODULE_LINES_MAX} == {}


def python_functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function of a module, with its lines."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield f"{path}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1


def rust_functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function of a file as rustfmt lays it out: from its `fn` to the brace in the same column."""
    open_functions: list[tuple[str, str, int]] = []
    for number, line in enumerate(lines_of(path), 1):
        begins = re.match(r"(\s*)(?:pub(?:\([^)]*\))? )?(?:const |async |unsafe |extern \"C\" )*fn (\w+)", line)
        if begins and not line.rstrip().endswith((";", "}")):
            open_functions.append((begins[1], begins[2], number))
        elif open_functions and line.rstrip() == open_functions[-1][0] + "}":
            _, name, start = open_functions.pop()
            yield f"{path}:{start} {name}", number - start + 1
        elif open_functions and line.startswith(open_functions[-1][0] + ")") and line.endswith(";"):
            open_functions.pop()


def test_functions_are_small() -> None:
    functions = [found for path in sources(".py") for found in python_functions(path)]
    functions += [found for path in sources(".rs") for found in rust_functions(path)]
    assert len(functions) > 50
    assert {name: size for name, size in functions if size > FUNCTION_LINES_MAX} == {}


def test_files_are_named_for_their_concept() -> None:
    named = [path for path in tracked() if str(path) not in NAMED_BY_OTHERS]
    bad = [
        str(path) for path in named for part in path.parts if part.split(".")[0].removeprefix("test_") in BANNED_NAMES
    ]
    assert bad == []


def test_nothing_is_left_for_later() -> None:
    found = [
        f"{path}:{number}"
        for path in sources(".py", ".pyi", ".rs", ".md", ".toml", ".sh", "")
        for number, line in enumerate(lines_of(path), 1)
        if BANNED_WORDS.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("what", BANNED_CONTENTS)
def test_tracked_files_name_no(what: str) -> None:
    pattern = BANNED_CONTENTS[what]
    found: list[str] = []
    for path in tracked():
        if is_recorded(path) or str(path) in LOCKED_BY_CARGO:
            continue
        text = (ROOT / path).read_bytes().decode(errors="replace")
        found += [f"{path}: {match[0]}" for match in pattern.finditer(text)]
    assert found == []


def test_each_python_module_says_what_it_is() -> None:
    modules = [path for path in sources(".py") if path.parts[0] in ("lodur", "scripts", "bench")]
    silent = [
        str(path) for path in modules if lines_of(path) and not ast.get_docstring(ast.parse((ROOT / path).read_text()))
    ]
    assert silent == []
