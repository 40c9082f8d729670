"""Lodur's own log, of the server and of the agent: logfmt (or JSON) lines on standard error, through structlog."""

from __future__ import annotations

import logging
import sys

import structlog

from lodur.model.go_strings import quote

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}

_DETAILED = tuple(structlog.make_filtering_bound_logger(level) for level in (logging.NOTSET, logging.DEBUG))


def writes_debug() -> bool:
    """Whether events of the level debug are written: for those who would have to gather much to tell one."""
    return structlog.get_config()["wrapper_class"] in _DETAILED


class LevelSwitch:
    """The level from which on events are written, to be changed while the process runs."""

    def __init__(self, name: str) -> None:
        self.name = name

    def change(self, name: str) -> None:
        """Write events from `name` on; ValueError if there is no such level."""
        if name not in _LEVELS:
            raise ValueError(f"unrecognized log level {quote(name)}")
        structlog.configure(
            **{**structlog.get_config(), "wrapper_class": structlog.make_filtering_bound_logger(_LEVELS[name])}
        )
        self.name = name


def configure_log(*, level: str, is_json: bool) -> None:
    """Write events from `level` (debug, info, warn, error) on."""
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if is_json
        else structlog.processors.LogfmtRenderer(key_order=["ts", "level", "msg"], bool_as_flag=False)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            structlog.processors.EventRenamer("msg"),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
