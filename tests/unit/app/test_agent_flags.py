"""The agent's flags in Go's manner."""

from __future__ import annotations

import pytest

from lodur.app.agent_flags import parse_flags
from lodur.model.errors import InvalidRequest


@pytest.mark.parametrize("dashes", ["-", "--"])
def test_one_dash_and_two_mean_the_same(dashes: str) -> None:
    flags = parse_flags([f"{dashes}config.file=a,b", f"{dashes}client.url", "http://h", f"{dashes}dry-run"])
    assert flags.config_files == ("a", "b")
    assert flags.client_urls == ("http://h",)
    assert flags.dry_run
    assert not flags.expand_env


def test_switches_take_a_value_behind_the_equals_sign_only() -> None:
    assert parse_flags(["-config.expand-env=true"]).expand_env
    assert not parse_flags(["-config.expand-env=false"]).expand_env
    with pytest.raises(InvalidRequest, match="'true' is not a flag"):
        parse_flags(["-config.expand-env", "true"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-nonsense=1"], "flag provided but not defined: -nonsense"),
        (["-config.file"], "flag needs an argument: -config.file"),
        (["file.yaml"], "'file.yaml' is not a flag"),
        (["--"], "'--' is not a flag"),
        (["-dry-run=perhaps"], "invalid boolean value 'perhaps' for -dry-run"),
        (["-log.level=loud"], "unrecognized log level 'loud'"),
    ],
)
def test_wrong_words_are_named(words: list[str], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        parse_flags(words)
