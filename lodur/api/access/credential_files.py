"""The credentials in force: the files are looked at again while requests come, and read anew when they have changed.

A file that cannot be read any more leaves the credentials as they were, and says so in the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import structlog

from lodur.api.access.credentials import Credentials, read_credentials
from lodur.api.access.options import AccessOptions, Grant
from lodur.model.clock import Clock
from lodur.model.errors import InvalidRequest

LOOK_PERIOD_S = 1.0
"""Between looks at the files: who was taken out is out within about this time."""

Stamp = tuple[int, int, int]
"""Inode, size and time of change of a file; a secret that is replaced by a link's new target has another inode."""

_log = structlog.get_logger(__name__)


class CredentialFiles:
    """Both files of one server. Used from one event loop."""

    def __init__(self, options: AccessOptions, *, key: bytes, clock: Clock) -> None:
        """Read the files. Raises InvalidRequest and OSError."""
        self._files = (options.htpasswd_file, options.tokens_file)
        self._grants: Mapping[str, Grant] = options.grants
        self._key = key
        self._clock = clock
        self._looked_s = clock.monotonic_s()
        self._stamps = self._look()
        self._credentials = self._read()

    async def current(self) -> Credentials:
        """What holds now."""
        now_s = self._clock.monotonic_s()
        if now_s - self._looked_s >= LOOK_PERIOD_S:
            self._looked_s = now_s
            self._credentials = await asyncio.to_thread(self._renewed, self._credentials)
        return self._credentials

    def _renewed(self, old: Credentials) -> Credentials:
        stamps = self._look()
        if stamps == self._stamps:
            return old
        self._stamps = stamps
        try:
            new = self._read()
        except (InvalidRequest, OSError) as error:
            _log.error("credentials cannot be read again, the old ones stay in force", err=str(error))
            return old
        _log.info("credentials were read again", users=len(new.users()))
        return new

    def _look(self) -> tuple[Stamp | None, ...]:
        return tuple(None if file is None else _stamp(file) for file in self._files)

    def _read(self) -> Credentials:
        credentials = read_credentials(*self._files, key=self._key)
        known = credentials.users()
        for name in sorted(known - self._grants.keys()):
            _log.warning("user has credentials but stands not in lodur.access.users, and may do nothing", user=name)
        for name in sorted(self._grants.keys() - known):
            _log.warning("user stands in lodur.access.users but has no credentials", user=name)
        return credentials


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
