"""The level of the log, changed while events are written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from lodur.telemetry.log import LevelSwitch, configure_log


@pytest.fixture
def log() -> Iterator[structlog.stdlib.BoundLogger]:
    before = structlog.get_config()
    configure_log(level="info", is_json=False)
    yield structlog.get_logger("test")
    structlog.configure(**before)


def test_events_follow_the_level(log: structlog.stdlib.BoundLogger, capsys: pytest.CaptureFixture[str]) -> None:
    switch = LevelSwitch("info")
    configure_log(level="info", is_json=False)  # once more: standard error is captured now
    log.info("first")
    switch.change("error")
    log.warning("second")
    switch.change("debug")
    log.debug("third")
    written = capsys.readouterr().err
    assert [word for word in ("first", "second", "third") if f"msg={word}" in written] == ["first", "third"]
    assert switch.name == "debug"


def test_an_unknown_level_changes_nothing() -> None:
    switch = LevelSwitch("warn")
    with pytest.raises(ValueError, match='unrecognized log level "foo"'):
        switch.change("foo")
    assert switch.name == "warn"
