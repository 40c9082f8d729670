"""Check passwords against slow hashes without holding anybody else up.

The hashing runs in threads of its own, what was right is remembered for a while, and requests that come with the same
password at the same time share one check. Start at `Passwords.is_right`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from lodur.api.access.credentials import HASHES
from lodur.model.clock import Clock
from lodur.model.errors import Unavailable

THREADS = 2
"""More would take the cores from pushes and queries; a check takes from 3 ms to 300 ms, by the cost that was chosen."""

WAITING_MAX = 64
"""Checks under way or waiting; further ones are told to come again."""

REMEMBERED_MAX = 1024
"""Passwords that were right of late."""

REMEMBERED_S = 300.0
"""A password that was right is hashed again after this; one that is changed in the file counts at once."""

BCRYPT_BYTES = 72
"""What bcrypt looks at; `htpasswd` drops the rest in silence, so logging in has to."""


class Passwords:
    """Checks for one server. Used from one event loop."""

    def __init__(self, *, key: bytes, clock: Clock) -> None:
        """`key` is secret and random: what is remembered of passwords cannot be compared with anything else."""
        self._key = key
        self._clock = clock
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="passwords")
        self._right: OrderedDict[bytes, float] = OrderedDict()
        """When each was checked, by its keyed digest."""
        self._checking: dict[bytes, asyncio.Future[bool]] = {}

    def costs_nothing(self, user: str, password: bytes, hashed: str) -> bool:
        """Whether this password was right for this hash a short time ago, or is being checked."""
        digest = self._digest(user, password, hashed)
        return digest in self._checking or self._is_remembered(digest)

    async def is_right(self, user: str, password: bytes, hashed: str) -> bool:
        """Whether the password has that hash. Raises Unavailable where too many are being checked."""
        digest = self._digest(user, password, hashed)
        if self._is_remembered(digest):
            return True
        check = self._checking.get(digest)
        if check is None:
            if len(self._checking) >= WAITING_MAX:
                raise Unavailable("too many passwords are being checked")
            loop = asyncio.get_running_loop()
            check = loop.run_in_executor(self._threads, _verify, password, hashed)
            self._checking[digest] = check
            check.add_done_callback(lambda done: self._note(digest, done))
        # A client that goes away must not cancel the check for those who wait for the same.
        return await asyncio.shield(check)

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _is_remembered(self, digest: bytes) -> bool:
        checked_s = self._right.get(digest)
        return checked_s is not None and self._clock.monotonic_s() - checked_s <= REMEMBERED_S

    def _note(self, digest: bytes, check: asyncio.Future[bool]) -> None:
        del self._checking[digest]
        if not check.cancelled() and check.exception() is None and check.result():
            self._right[digest] = self._clock.monotonic_s()
            self._right.move_to_end(digest)
            while len(self._right) > REMEMBERED_MAX:
                self._right.popitem(last=False)

    def _digest(self, user: str, password: bytes, hashed: str) -> bytes:
        parts = (user.encode("utf-8", "surrogateescape"), hashed.encode(), password)
        told = hashlib.blake2b(key=self._key, digest_size=32)
        for part in parts:
            told.update(len(part).to_bytes(8, "little"))
            told.update(part)
        return told.digest()


def _verify(password: bytes, hashed: str) -> bool:
    try:
        return bool(HASHES.verify(password[:BCRYPT_BYTES] if hashed.startswith("$2") else password, hashed))
    except ValueError:
        # A password that cannot be hashed, with a zero byte or far too long, is nobody's.
        return False
