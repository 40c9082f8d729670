"""What a start waits out is the same whichever part of it asks the object store."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from lodur.app.store_waiting import STORE_RETRY_S, ask_until_answered, reason_to_wait
from lodur.model.errors import CorruptData, LodurError, NotFound, Unauthenticated, Unavailable

PASSING = [Unavailable("no route"), NotFound("no such bucket"), Unauthenticated("no such key")]


class NoWait(threading.Event):
    """Notes how long it was to be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_s: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited_s.append(timeout)
        return self.is_set()


def failing_first(errors: list[LodurError]) -> Callable[[], None]:
    left = list(errors)

    def ask() -> None:
        if left:
            raise left.pop(0)

    return ask


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
def test_what_may_be_mended_by_waiting_is_a_reason(error: LodurError) -> None:
    ask = failing_first([error])
    assert str(error) in (reason_to_wait(ask) or "")
    assert reason_to_wait(ask) is None


def test_asked_again_until_there_is_an_answer() -> None:
    stopping = NoWait()
    ask_until_answered(failing_first(PASSING), stopping)
    assert stopping.waited_s == [STORE_RETRY_S] * 3


def test_what_waiting_does_not_mend_ends_it() -> None:
    stopping = NoWait()
    with pytest.raises(CorruptData, match="damaged"):
        ask_until_answered(failing_first([CorruptData("damaged")]), stopping)
    assert stopping.waited_s == []


def test_a_server_that_stops_asks_no_more() -> None:
    stopping = NoWait()
    stopping.set()
    with pytest.raises(Unavailable, match="the server is stopping"):
        ask_until_answered(failing_first(PASSING), stopping)
    assert len(stopping.waited_s) == 1
