"""The pages do not lie: links lead somewhere, files exist, recipes are short, queries parse, configurations load."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from lodur.cli.main import LazyGroup
from lodur.config.loading import load_server_config
from lodur.logql.parser import parse_query

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/**/*.md", "changelog.d/*.md", "bench/**/*.md")
    for path in ROOT.glob(pattern)
)
RECIPES = [page for page in PAGES if page.parent == Path("docs/how-to") and page.name.startswith("add-")]
"""For those who change the product; the other pages are for those who run it."""

RECIPE_STEPS_MAX = 8
"""When a change wants a ninth step, the design wants mending."""

TREE = ("deploy/", "lodur/", "rust/", "tests/", "docs/", "bench/", "scripts/", "changelog.d/", "requirements/")
MADE_BY_THE_BUILD = ("rust/target",)


def text_of(page: Path) -> str:
    return (ROOT / page).read_text()


def fenced(language: str) -> Iterator[tuple[Path, str]]:
    """Each fenced block of that language in all pages."""
    for page in PAGES:
        for block in re.finditer(rf"^```{language}\n(.*?)^```", text_of(page), re.DOTALL | re.MULTILINE):
            yield page, block[1]


def prose_of(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", text_of(page), flags=re.DOTALL | re.MULTILINE)


def anchor(heading: str) -> str:
    """The fragment by which a page's reader reaches a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors_of(page: Path) -> set[str]:
    return {anchor(line.lstrip("#")) for line in prose_of(page).splitlines() if line.startswith("#")}


def test_there_are_pages() -> None:
    assert len(PAGES) >= 10
    assert len(RECIPES) >= 5


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", prose_of(page)) if not re.match(r"[a-z]+:", link)]
    assert [link for link in links if not leads_somewhere(page, link)] == []


def leads_somewhere(page: Path, link: str) -> bool:
    place, _, fragment = link.partition("#")
    target = (ROOT / page.parent / place).resolve() if place else ROOT / page
    if not target.exists():
        return False
    return not fragment or target.suffix != ".md" or fragment in anchors_of(target.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_files_that_are_named_exist(page: Path) -> None:
    named = [name for name in re.findall(r"`([\w./-]+)`", prose_of(page)) if name.startswith(TREE)]
    wanted = [name for name in named if not name.startswith(MADE_BY_THE_BUILD) and "thing" not in name]
    assert [name for name in wanted if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", RECIPES, ids=str)
def test_recipes_are_short_and_name_a_file_in_each_step(page: Path) -> None:
    steps = re.findall(r"^\d+\. .*?(?=^\d+\. |\Z)", prose_of(page), re.DOTALL | re.MULTILINE)
    assert 1 <= len(steps) <= RECIPE_STEPS_MAX
    assert [step for step in steps if not re.search(r"`[\w.]+/|`[\w.]+\.md`|`make ", step)] == []


def test_every_package_has_its_paragraph_and_invariant() -> None:
    packages = sorted(path.parent.name for path in (ROOT / "lodur").glob("*/__init__.py"))
    assert packages
    sections = re.split(r"^### ", text_of(Path("docs/architecture.md")), flags=re.MULTILINE)
    described = {
        section.split("`")[1].removeprefix("lodur/"): section for section in sections if section.startswith("`lodur/")
    }
    assert sorted(described) == packages
    assert [name for name, section in described.items() if "*Invariant: " not in section] == []


def test_make_commands_that_are_named_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"(?:`|^\$ )make ([a-z-]+)", text_of(page), re.MULTILINE)}
    assert named
    assert named <= targets


def shown_commands() -> list[list[str]]:
    """The name and arguments of each `lodur` command line in the pages' consoles, at the end of a pipe too."""
    lines = [line for _, block in fenced("console") for line in block.splitlines()]
    shown = [re.match(r"\$ (?:.* \| )?(?:\.venv/bin/)?lodur (.*)", line) for line in lines]
    return [shlex.split(found[1]) for found in shown if found]


@pytest.mark.parametrize("words", shown_commands(), ids=" ".join)
def test_commands_that_are_shown_are_understood(words: list[str], tmp_path: Path) -> None:
    group = LazyGroup("lodur")
    context = click.Context(group, info_name="lodur")
    command = group.get_command(context, words[0])
    assert command is not None
    log = tmp_path / "any.log"
    log.touch()
    arguments = [str(log) if word.endswith(".log") else word for word in words[1:]]
    command.make_context(words[0], arguments, parent=context)


def test_queries_that_are_shown_parse() -> None:
    asked = [words[1] for words in shown_commands() if words[0] in ("query", "instant-query")]
    queries = asked + [block.strip() for _, block in fenced("logql")]
    assert asked
    assert queries
    for query in queries:
        parse_query(query)


def test_configurations_that_are_shown_load(tmp_path: Path) -> None:
    shown = [block for _, block in fenced("yaml") if "scrape_configs:" not in block]
    assert shown
    for block in shown:
        (tmp_path / "lodur.yaml").write_text(block)
        load_server_config(["-config.file=lodur.yaml"], {}, tmp_path)


def test_glossary_words_are_unique() -> None:
    rows = re.findall(r"^\| (\*\*.*?) \|", text_of(Path("docs/glossary.md")), re.MULTILINE)
    words = [word for row in rows for word in re.findall(r"\*\*(.+?)\*\*", row)]
    assert len(words) > 20
    assert len(words) == len(set(words))
