"""Profiles as `go tool pprof` reads them (profile.proto, gzip), and as one line a stack for flame graphs."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterable

from lodur.telemetry.profiling import PERIOD_NS, Frame, Profile, Stack

_VARINT_BITS = 7
_VARINT_MORE = 0x80
_LENGTH_DELIMITED = 2


def pprof(profile: Profile) -> bytes:
    """The profile in gzip."""
    return gzip.compress(_Tables().profile(profile), compresslevel=6, mtime=0)


def collapsed(profile: Profile) -> str:
    """A line a stack: `thread;outermost;...;innermost microseconds`, the most expensive first."""
    totals: Counter[str] = Counter()
    for (thread, stack), cost_ns in profile.samples.items():
        names = (thread, *(_label(frame) for frame in reversed(stack)))
        totals[";".join(name.replace(";", ",") for name in names)] += cost_ns
    return "".join(f"{text} {cost_ns // 1000}\n" for text, cost_ns in totals.most_common())


def _label(frame: Frame) -> str:
    return f"{frame.function} ({frame.file.rpartition('/')[2]}:{frame.line})"


class _Tables:
    """The tables that messages refer to by number."""

    def __init__(self) -> None:
        self._texts: dict[str, int] = {"": 0}
        self._functions: dict[tuple[str, str], int] = {}
        self._locations: dict[Frame, int] = {}

    def profile(self, profile: Profile) -> bytes:
        """The message `Profile`."""
        kinds = _message(1, self._value_type("samples", "count")) + _message(1, self._value_type("cpu", "nanoseconds"))
        samples = b"".join(
            _message(2, self._sample(thread, stack, cost_ns)) for (thread, stack), cost_ns in profile.samples.items()
        )
        period = _message(11, self._value_type("cpu", "nanoseconds")) + _number(12, PERIOD_NS)
        times = _number(9, profile.started_ns) + _number(10, profile.duration_ns)
        locations = b"".join(
            _message(4, _number(1, number) + _message(4, self._line(frame)))
            for frame, number in self._locations.items()
        )
        functions = b"".join(
            _message(5, _number(1, number) + _number(2, self._text(name)) + _number(4, self._text(file)))
            for (name, file), number in self._functions.items()
        )
        texts = b"".join(_message(6, text.encode("utf-8", "replace")) for text in self._texts)
        return kinds + samples + locations + functions + texts + times + period

    def _sample(self, thread: str, stack: Stack, cost_ns: int) -> bytes:
        frames = stack or (Frame(f"[{thread}]", "", 0),)
        label = _number(1, self._text("thread")) + _number(2, self._text(thread))
        looks = max(1, round(cost_ns / PERIOD_NS))
        return (
            _packed(1, (self._location(frame) for frame in frames)) + _packed(2, (looks, cost_ns)) + _message(3, label)
        )

    def _value_type(self, kind: str, unit: str) -> bytes:
        return _number(1, self._text(kind)) + _number(2, self._text(unit))

    def _line(self, frame: Frame) -> bytes:
        return _number(1, self._functions[frame.function, frame.file]) + _number(2, frame.line)

    def _location(self, frame: Frame) -> int:
        self._functions.setdefault((frame.function, frame.file), len(self._functions) + 1)
        return self._locations.setdefault(frame, len(self._locations) + 1)

    def _text(self, text: str) -> int:
        return self._texts.setdefault(text, len(self._texts))


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value >= _VARINT_MORE:
        parts.append(value & (_VARINT_MORE - 1) | _VARINT_MORE)
        value >>= _VARINT_BITS
    parts.append(value)
    return bytes(parts)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _message(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | _LENGTH_DELIMITED) + _varint(len(data)) + data


def _packed(field: int, values: Iterable[int]) -> bytes:
    return _message(field, b"".join(map(_varint, values)))
