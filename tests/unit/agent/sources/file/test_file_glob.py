"""Globs over a small tree: finding and matching must agree."""

from __future__ import annotations

from pathlib import Path

import pytest

from lodur.agent.sources.file.glob import Glob, loose_stars, recursive_form
from lodur.model.errors import InvalidRequest

FILES = (".hidden.log", "a.log", "b.log", "b.gz", "sub/c.log", "sub/deep/d.log", "sub/e.gz", "x[1].log")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a.log", ["a.log"]),
        ("*.log", [".hidden.log", "a.log", "b.log", "x[1].log"]),
        ("?.log", ["a.log", "b.log"]),
        ("[a].log", ["a.log"]),
        ("[^a].log", ["b.log"]),
        ("{a,b}.log", ["a.log", "b.log"]),
        ("{sub/c,b}.{log,gz}", ["b.gz", "b.log", "sub/c.log"]),
        ("**.gz", ["b.gz"]),
        ("**/*.gz", ["b.gz", "sub/e.gz"]),
        ("**/d.log", ["sub/deep/d.log"]),
        ("sub/**", ["sub/c.log", "sub/deep/d.log", "sub/e.gz"]),
        ("x\\[1].log", ["x[1].log"]),
        ("*/*.log", ["sub/c.log"]),
        ("nothing*", []),
        ("a.log/*", []),
    ],
)
def test_finds_and_matches_alike(tree: Path, pattern: str, expected: list[str]) -> None:
    glob = Glob.compile(f"{tree}/{pattern}")
    assert glob.find() == sorted(str(tree / name) for name in expected)
    assert [name for name in FILES if glob.matches(str(tree / name))] == [name for name in FILES if name in expected]


def test_does_not_follow_linked_directories_below_stars(tree: Path) -> None:
    (tree / "sub" / "loop").symlink_to(tree)
    (tree / "link.log").symlink_to(tree / "a.log")
    found = Glob.compile(f"{tree}/**/*.log").find()
    assert str(tree / "link.log") in found
    assert not any("loop" in path for path in found)


def test_relative_patterns_are_made_absolute(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    assert Glob.compile("a.*").find() == [str(tree / "a.log")]


@pytest.mark.parametrize("pattern", ["/x/[a", "/x/{a,b", "/x/[b-a]", "/" + "{a,b}" * 12])
def test_patterns_that_cannot_be_read_are_refused(pattern: str) -> None:
    with pytest.raises(InvalidRequest):
        Glob.compile(pattern)


def test_tells_the_recursive_form() -> None:
    assert loose_stars("/var/log/**.gz")
    assert not loose_stars("/var/log/**/*.gz")
    assert recursive_form("/var/log/**.gz") == "/var/log/**/*.gz"
