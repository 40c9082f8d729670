"""The agent's page shows configurations that load, and names what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from lodur.agent.metrics import AgentMetrics
from lodur.app.agent_flags import parse_flags
from lodur.config.promtail.document import build_agent
from lodur.config.promtail.scrape import OTHER_TARGETS
from lodur.model.errors import InvalidRequest

ROOT = Path(__file__).resolve().parents[4]
PAGE = (ROOT / "docs/reference/agent.md").read_text()
SHOWN = [
    block
    for page in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
    for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    if "scrape_configs:" in block
]


@pytest.mark.parametrize("text", SHOWN)
def test_configurations_that_are_shown_load(text: str) -> None:
    assert build_agent(text, name="shown", environ={}).options.sources


def test_the_page_shows_one() -> None:
    assert SHOWN


def test_every_metric_has_its_row() -> None:
    registry = CollectorRegistry()
    AgentMetrics(registry)
    names = {family.name + ("_total" if family.type == "counter" else "") for family in registry.collect()}
    assert len(names) > 10
    assert {name for name in names if f"`{name}`" not in PAGE} == set()
    assert set(re.findall(r"`(promtail_[a-z_]+)`", PAGE)) <= names


def test_every_flag_has_its_row() -> None:
    with pytest.raises(InvalidRequest, match="known are") as caught:
        parse_flags(["-nonsense"])
    known = set(re.findall(r"-[a-z][a-z.-]+", str(caught.value).split("known are")[1]))
    assert known == set(re.findall(r"^\| `(-[a-z.-]+)` \|", PAGE, re.MULTILINE))


@pytest.mark.parametrize("name", OTHER_TARGETS)
def test_other_targets_are_refused_by_name(name: str) -> None:
    text = f"clients: [{{url: http://h/}}]\nscrape_configs:\n- job_name: a\n  {name}: [{{}}]\n"
    with pytest.raises(InvalidRequest, match=f"line 4: {name} is not supported yet"):
        build_agent(text, name="x", environ={})
