"""Messages to the clients of live tails, as texts (loki.md 1.16): entries, and what is told of those left out.

A message of entries is written once, for all tails that show the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from lodur.kernels.scan import LogResult
from lodur.kernels.tail import TailForm as KernelForm
from lodur.kernels.tail import TailRows
from lodur.model.limits import KIB
from lodur.query.tail.requests import EntryForm, TailForm

MESSAGE_ENTRIES = 100
"""In one message, as clients know it."""

MESSAGE_ENTRIES_MAX = 1000
"""The same where lines come so fast that sending costs more for each message than for what is in it."""

MESSAGE_BYTES = 128 * KIB
"""Of such a message, about."""

_FORMS = {
    EntryForm.PLAIN: KernelForm.PLAIN,
    EntryForm.CATEGORIZED: KernelForm.CATEGORIZED,
    EntryForm.LEGACY: KernelForm.LEGACY,
}
"""What the kernel calls them."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message with entries."""

    text: str
    entries: int


class FoundRows:
    """Entries of some results, oldest first, in the form that clients want. Not for several threads at once."""

    def __init__(self, results: Sequence[LogResult], form: TailForm) -> None:
        self._rows = TailRows(list(results), form=_FORMS[form.entries])
        self._form = form
        self._messages: list[Message] = []
        self.entries = self._rows.entries
        fitting = MESSAGE_BYTES * self.entries // max(1, sum(result.held_bytes for result in results))
        self._per_message = max(MESSAGE_ENTRIES, min(MESSAGE_ENTRIES_MAX, fitting))

    def messages(self, count: int) -> list[Message]:
        """The first so many messages; they are written when somebody has room for them."""
        count = min(count, -(-self.entries // self._per_message))
        if count > len(self._messages):
            self._messages = self._written(count)
        return self._messages[:count]

    def names(self, first: int, count: int) -> list[bytes]:
        """How some entries are named to those who do not get them."""
        return self._rows.dropped(first, count)

    def _written(self, count: int) -> list[Message]:
        end = _end(self._form)
        messages: list[Message] = []
        left = self.entries
        for streams in self._rows.frames(count, self._per_message):
            entries = min(left, self._per_message)
            messages.append(Message(f'{{"streams":{streams.decode()}{end}}}', entries))
            left -= entries
        return messages


def dropped_message(names: Sequence[bytes], entries: int, form: TailForm) -> str:
    """Tell a client that so many entries were left out, and the names of some of them."""
    told = f'{{"streams":[],"dropped_entries":[{b",".join(names).decode()}]'
    if entries > len(names):
        told += f',"dropped_entries_total":{entries}'
    return f"{told}{_flags(form)}}}"


def unnamed_entry(now_ns: int, form: TailForm) -> bytes:
    """What stands for entries that nobody could look at."""
    labels = b'"{}"' if form.entries is EntryForm.LEGACY else b"{}"
    return b'{"timestamp":"%d","labels":%b}' % (now_ns, labels)


def _end(form: TailForm) -> str:
    """What each message of entries ends with, before its brace."""
    return ',"dropped_entries":null' if form.entries is EntryForm.LEGACY else _flags(form)


def _flags(form: TailForm) -> str:
    return f',"encodingFlags":{orjson.dumps(form.flags).decode()}' if form.flags else ""
