"""Readers of live tails that cost little: a process that follows many of them, and checks every line it sees.

Lines carry numbers, and each tail follows one app, so a message is whole where its first and its last number and its
count of lines fit together; no message is parsed. What a tail missed must have been told to it, to the line.
"""

from __future__ import annotations

import os
import re
import selectors
import socket
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from urllib.parse import urlencode

NUMBER_DIGITS = 10
"""Of the number that a line begins with."""

ENTRY = b'"values":[["'
"""Stands once for each entry, and in no line."""

DROPPED = b'"dropped_entries":['
NAMED = b'{"timestamp":'
TOTAL = re.compile(rb'"dropped_entries_total":(\d+)')
TIME_DIGITS = 19

CHUNK_BYTES = 1 << 20
SLOW_BUFFER_BYTES = 1 << 16
SLOW_TURN_BYTES = 1 << 14
SLOW_TURN_S = 0.25
"""How often a slow reader reads a little."""

QUIET_S = 1.0
"""Nothing came for so long: nothing more will."""

END_S_MAX = 20.0

_TEXT, _CLOSE, _PING = 1, 8, 9


@dataclass(slots=True)
class Seen:
    """What one tail saw."""

    app: int
    is_slow: bool = False
    lines: int = 0
    told_lines: int = 0
    gap_lines: int = 0
    """Numbers that were left out before one that came."""
    next_number: int = 0
    out_of_order: int = 0
    arrivals: list[tuple[int, float]] = field(default_factory=list)
    """The first number of each message, and when it was here (monotonic)."""


@dataclass(slots=True)
class _Socket:
    seen: Seen
    socket: socket.socket
    buffer: bytearray = field(default_factory=bytearray)

    def take(self, size_bytes: int) -> bool:
        """Read what is there; whether anything was."""
        try:
            chunk = self.socket.recv(size_bytes)
        except BlockingIOError:
            return False
        if not chunk:
            raise RuntimeError("the server closed a tail")
        now_s = time.monotonic()
        self.buffer += chunk
        at = 0
        while (found := _frame(self.buffer, at)) is not None:
            opcode, first, at = found
            if opcode == _TEXT:
                _look(self.seen, self.buffer, first, at, now_s)
            elif opcode == _PING:
                payload = bytes(self.buffer[first:at])
                # A pong, masked with zeros.
                self.socket.sendall(bytes((0x8A, 0x80 | len(payload), 0, 0, 0, 0)) + payload)
            elif opcode == _CLOSE:
                raise RuntimeError(f"the server closed a tail: {bytes(self.buffer[first:at])!r}")
        del self.buffer[:at]
        return True


def _frame(buffer: bytearray, at: int) -> tuple[int, int, int] | None:
    """Opcode, begin and end of the payload of the frame at a place, if all of it is there."""
    if len(buffer) < at + 2:
        return None
    length, first = buffer[at + 1] & 0x7F, at + 2
    if length >= 126:
        wide = 2 if length == 126 else 8
        length, first = int.from_bytes(buffer[first : first + wide], "big"), first + wide
    if len(buffer) < first + length:
        return None
    return buffer[at] & 0x0F, first, first + length


def _look(seen: Seen, buffer: bytearray, begin: int, end: int, now_s: float) -> None:
    entries = buffer.count(ENTRY, begin, end)
    if entries:
        first = _number(buffer, buffer.find(ENTRY, begin, end))
        last = _number(buffer, buffer.rfind(ENTRY, begin, end))
        if first < seen.next_number or last - first + 1 != entries:
            # Some were left out between them, or they are in disorder: the sums at the end tell which.
            seen.out_of_order += 1
        seen.gap_lines += max(0, first - seen.next_number) + (last - first + 1 - entries)
        seen.next_number = last + 1
        seen.lines += entries
        seen.arrivals.append((first, now_s))
    if (place := buffer.find(DROPPED, begin, end)) >= 0:
        total = TOTAL.search(buffer, place, end)
        seen.told_lines += int(total[1]) if total else buffer.count(NAMED, place, end)


def _number(buffer: bytearray, entry: int) -> int:
    first = entry + len(ENTRY) + TIME_DIGITS + len('","')
    return int(buffer[first : first + NUMBER_DIGITS])


def follow(port: int, tails: list[Seen], is_open: Event, pushed: Connection, seen: Connection) -> None:
    """Follow all tails until they have seen what was pushed: the lines of each app, which `pushed` says at the end.

    Runs in a process of its own; what was seen, and the CPU seconds, go to `seen`.
    """
    sockets = [_Socket(tail, _connected(port, tail)) for tail in tails]
    is_open.set()
    selector = selectors.DefaultSelector()
    for one in sockets:
        if not one.seen.is_slow:
            selector.register(one.socket, selectors.EVENT_READ, one)
    slow = [one for one in sockets if one.seen.is_slow]
    slow_due_s = last_s = time.monotonic()
    lines_each: int | None = None
    end_s = 0.0
    while True:
        for key, _ in selector.select(0.05):
            assert isinstance(key.data, _Socket)
            last_s = time.monotonic() if key.data.take(CHUNK_BYTES) else last_s
        now_s = time.monotonic()
        if lines_each is None and pushed.poll():
            lines_each, end_s = int(pushed.recv()), now_s + END_S_MAX
            # The slow ones hurry now, so that the end is seen.
            for one in slow:
                selector.register(one.socket, selectors.EVENT_READ, one)
            slow = []
        if slow and now_s >= slow_due_s:
            slow_due_s = now_s + SLOW_TURN_S
            for one in slow:
                one.take(SLOW_TURN_BYTES)
        if lines_each is not None:
            is_whole = all(tail.lines + tail.told_lines >= lines_each for tail in tails)
            if now_s - last_s > QUIET_S and (is_whole or now_s > end_s):
                break
    used = os.times()
    seen.send((tails, used.user + used.system))


def _connected(port: int, tail: Seen) -> socket.socket:
    connection = socket.socket()
    if tail.is_slow:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER_BYTES)
    connection.connect(("127.0.0.1", port))
    path = "/loki/api/v1/tail?" + urlencode({"query": f'{{app="app-{tail.app}"}}'})
    connection.sendall(
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        part = connection.recv(1)
        if not part:
            raise RuntimeError(f"the server refused a tail: {head!r}")
        head += part
    if b" 101 " not in head.split(b"\r\n")[0]:
        raise RuntimeError(f"the server refused a tail: {head!r}")
    connection.setblocking(False)
    return connection
