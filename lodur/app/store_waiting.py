"""Which answers of an object store a start waits out, and which end it.

A store may be away for a while; a bucket or a permission may be made while the server waits, and takes its time to be
seen. Start at `reason_to_wait`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from lodur.model.errors import NotFound, Unauthenticated, Unavailable

STORE_RETRY_S = 5.0
"""Between attempts to read a store that does not answer at start."""

_log = structlog.get_logger(__name__)


def reason_to_wait(ask: Callable[[], object]) -> str | None:
    """Ask the object store; why it shall be asked again in a while, for `/ready`, or None where it has answered.

    Blocks. Raises what is not mended by waiting.
    """
    try:
        ask()
    except Unavailable as error:
        _log.warning("object store does not answer, trying again", retry_in_s=STORE_RETRY_S, err=str(error))
        return f"the object store does not answer: {error}"
    except (NotFound, Unauthenticated) as error:
        _log.error("object store cannot be used, trying again", retry_in_s=STORE_RETRY_S, err=str(error))
        return f"the object store cannot be used: {error}"
    return None


def ask_until_answered(ask: Callable[[], object], stopping: threading.Event) -> None:
    """Ask the object store for as long as there is a reason to wait. Blocks.

    Raises Unavailable where the server stops meanwhile, and what is not mended by waiting.
    """
    while reason_to_wait(ask) is not None:
        if stopping.wait(STORE_RETRY_S):
            raise Unavailable("the server is stopping")
