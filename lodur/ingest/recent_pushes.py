"""Recognise a push that comes again: a client's retry whose first attempt was kept, though its answer was lost.

The head recognises repeated rows as long as it remembers them; but a repetition with a record of its own would come
back as new rows when the WAL is replayed after the first attempt was flushed. So a body that is known to be kept is
answered, not kept again. What was deleted may be pushed again: a body counts as known only as long as no delete request
has been carried out since. Nothing here is durable: replay enters what it finds.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from lodur.model.errors import Unavailable
from lodur.model.tenant import TenantId
from lodur.wire.push_body import body_hash

PUSHES_REMEMBERED_MAX = 100_000
"""Retries come within minutes; at a thousand pushes a second this is more than one, in some 15 MB."""

Key = tuple[str, int, int, int, int]


class RecentPushes:
    """Pushes that were kept last, by a keyed hash of their bodies. Any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, None] = OrderedDict()
        self._under_way: set[Key] = set()

    def remember(self, tenant: TenantId, kind: int, body: bytes, *, deletes_through: int = 0) -> None:
        """This body is in the WAL, whole; delete requests up to a number take nothing of it."""
        with self._lock:
            self._remember(_key(tenant, kind, body, deletes_through))

    @contextmanager
    def keeping(self, tenant: TenantId, kind: int, body: bytes, *, deletes_through: int = 0) -> Iterator[bool]:
        """Around the keeping of a body; gives whether it is kept already. It is remembered if nothing is raised.

        Raises Unavailable while the same body is being kept for somebody else.
        """
        key = _key(tenant, kind, body, deletes_through)
        with self._lock:
            if key in self._under_way:
                raise Unavailable("the same push is being written for another request", retry_after_s=1.0)
            is_known = key in self._kept
            if not is_known:
                self._under_way.add(key)
        if is_known:
            yield True
            return
        try:
            yield False
        except BaseException:
            with self._lock:
                self._under_way.discard(key)
            raise
        with self._lock:
            self._under_way.discard(key)
            self._remember(key)

    def _remember(self, key: Key) -> None:
        self._kept[key] = None
        self._kept.move_to_end(key)
        while len(self._kept) > PUSHES_REMEMBERED_MAX:
            self._kept.popitem(last=False)


def _key(tenant: TenantId, kind: int, body: bytes, deletes_through: int) -> Key:
    return tenant.value, kind, deletes_through, len(body), body_hash(body)
