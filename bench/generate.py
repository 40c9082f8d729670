"""Make a corpus of three invented services: JSON, logfmt and an access log.

Fields have skewed distributions and ids are fresh in every line, so that lines compress as real ones do. The output
depends on seed, start and size alone; `bench/corpus.py` says what it holds. Runs as a program:
`python generate.py OUT --mb 64 --start 1768471200`.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cramjam import snappy

Value = TypeVar("Value")

BODY_RAW_BYTES = 2**20
"""Raw lines of one push, about what an agent sends."""

STREAM_BATCH_LINES = 200
"""Lines of one stream in a row."""

LINE_BYTES_EXPECTED = 153
"""On average; spreads the lines over the time span."""

NEEDLE_EVERY_LINES = 1_000_003
"""One line of so many holds a string that occurs nowhere else."""
NEEDLE_FIRST_LINE = 1_000

PODS = 12
"""Of each app."""

RESOURCES = ("orders", "carts", "items", "users", "payments", "search", "auth")
ACTIONS = ("list", "get", "create", "update", "delete")
PATHS = tuple(f"/api/v1/{resource}/{action}" for resource in RESOURCES for action in ACTIONS)
USERS = tuple(f"user-{number:05d}" for number in range(20_000))
METHODS = ("GET", "GET", "GET", "POST", "PUT")
COMPONENTS = ("ingester", "distributor", "querier", "compactor")
AGENTS = ("Mozilla/5.0 (X11; Linux x86_64)", "curl/8.5.0", "kube-probe/1.31", "Go-http-client/2.0")
MESSAGES = (
    "request completed",
    "cache miss",
    "cache hit",
    "slow query detected",
    "connection reset by peer",
    "retrying after backoff",
    "token refreshed",
    "payment authorised",
    "inventory updated",
    "context deadline exceeded",
)

STATUSES = ((0.9, 200), (0.95, 404), (0.98, 500), (1.0, 429))
LEVELS = ((0.8, "info"), (0.92, "debug"), (0.97, "warn"), (1.0, "error"))


@dataclass(frozen=True, slots=True)
class Fields:
    """Values of the fields of lines, drawn from one source of chance."""

    chance: random.Random

    def skewed(self, values: Sequence[str]) -> str:
        """The first values often, the last ones seldom."""
        return values[min(int(self.chance.paretovariate(1.1)) - 1, len(values) - 1)]

    def of_shares(self, shares: Sequence[tuple[float, Value]]) -> Value:
        draw = self.chance.uniform(0, 1)
        return next(value for share, value in shares if draw <= share)

    def hex_id(self, digits: int) -> str:
        return f"{self.chance.getrandbits(4 * digits):0{digits}x}"

    def address(self) -> str:
        first, second, third = (self.chance.randrange(256) for _ in range(3))
        return f"10.{first % 4}.{second}.{third}"


def json_line(fields: Fields) -> str:
    chance = fields.chance
    record = {
        "level": fields.of_shares(LEVELS),
        "msg": fields.skewed(MESSAGES),
        "trace_id": fields.hex_id(32),
        "user": fields.skewed(USERS),
        "path": fields.skewed(PATHS),
        "status": fields.of_shares(STATUSES),
        "duration_ms": round(chance.expovariate(1 / 40), 3),
        "bytes": chance.randrange(100, 90_000),
        "peer": fields.address(),
    }
    return json.dumps(record, separators=(",", ":"))


def logfmt_line(fields: Fields) -> str:
    chance = fields.chance
    return (
        f'level={fields.of_shares(LEVELS)} component={fields.skewed(COMPONENTS)} msg="{fields.skewed(MESSAGES)}" '
        f"traceID={fields.hex_id(16)} org_id={chance.randrange(300)} latency={chance.expovariate(1 / 30):.3f}ms "
        f"status={fields.of_shares(STATUSES)} size={chance.randrange(10, 5000)}KB"
    )


def access_line(fields: Fields) -> str:
    chance = fields.chance
    minute, second = chance.randrange(60), chance.randrange(60)
    request = f"{chance.choice(METHODS)} {fields.skewed(PATHS)}?id={chance.randrange(10**7)} HTTP/1.1"
    return (
        f"{fields.address()} - {fields.skewed(USERS)} [15/Jan/2026:10:{minute:02d}:{second:02d} +0000] "
        f'"{request}" {fields.of_shares(STATUSES)} {chance.randrange(100, 60_000)} "-" "{fields.skewed(AGENTS)}"'
    )


APPS: tuple[tuple[str, Callable[[Fields], str]], ...] = (
    ("checkout", json_line),
    ("gateway-json", json_line),
    ("scheduler", logfmt_line),
    ("loki-like", logfmt_line),
    ("nginx", access_line),
    ("edge", access_line),
)


@dataclass(frozen=True, slots=True)
class Stream:
    """Labels as they are pushed, and what writes the lines."""

    labels: str
    line: Callable[[Fields], str]


def all_streams() -> list[Stream]:
    return [
        Stream(
            f'{{app="{app}", cluster="eu-west-{number % 3 + 1}", container="main", '
            f'namespace="ns-{number}", pod="{app}-{number}-{pod:02d}"}}',
            line,
        )
        for number, (app, line) in enumerate(APPS)
        for pod in range(PODS)
    ]


def varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def field(number: int, payload: bytes) -> bytes:
    """A length-delimited protobuf field."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def entry(timestamp_ns: int, line: bytes) -> bytes:
    seconds, rest_ns = divmod(timestamp_ns, 10**9)
    timestamp = b"\x08" + varint(seconds) + (b"\x10" + varint(rest_ns) if rest_ns else b"")
    return field(2, field(1, timestamp) + field(2, line))


class CorpusWriter:
    """Writes bodies and raw lines, and counts them."""

    def __init__(self, out: Path, seed: int, start_ns: int, step_ns: int) -> None:
        (out / "bodies").mkdir(parents=True, exist_ok=True)
        self._out = out
        self._fields = Fields(random.Random(seed))
        self._step_ns = step_ns
        self._streams = all_streams()
        self.timestamp_ns = start_ns
        self.lines = self.raw_bytes = self.bodies = 0
        self.needles: list[str] = []

    def write(self, target_bytes: int) -> None:
        with (self._out / "raw.log").open("wb") as raw:
            while self.raw_bytes < target_bytes:
                body, size = bytearray(), self.raw_bytes
                while self.raw_bytes - size < BODY_RAW_BYTES:
                    stream = self._fields.chance.choice(self._streams)
                    batch = list(self._batch(stream))
                    raw.writelines(line + b"\n" for _, line in batch)
                    entries = b"".join(entry(timestamp_ns, line) for timestamp_ns, line in batch)
                    body += field(1, field(1, stream.labels.encode()) + entries)
                packed = snappy.compress_raw(bytes(body))
                (self._out / "bodies" / f"{self.bodies:05d}.pb").write_bytes(bytes(packed))
                self.bodies += 1

    def _batch(self, stream: Stream) -> Iterator[tuple[int, bytes]]:
        chance = self._fields.chance
        for _ in range(STREAM_BATCH_LINES):
            line = stream.line(self._fields)
            if self.lines % NEEDLE_EVERY_LINES == NEEDLE_FIRST_LINE:
                self.needles.append(f"needle-{self._fields.hex_id(16)}")
                line += f" {self.needles[-1]}"
            encoded = line.encode()
            self.timestamp_ns += self._step_ns + chance.randrange(-self._step_ns // 2, self._step_ns // 2)
            self.lines += 1
            self.raw_bytes += len(encoded)
            yield self.timestamp_ns, encoded


def generate(out: Path, *, mb: int, seed: int, start_s: int, hours: float) -> None:
    """Write a corpus of `mb` MiB of raw lines, spread over `hours`."""
    target_bytes = mb * 2**20
    step_ns = int(hours * 3600e9 / (target_bytes / LINE_BYTES_EXPECTED))
    start_ns = start_s * 10**9
    writer = CorpusWriter(out, seed, start_ns, step_ns)
    writer.write(target_bytes)
    meta = {
        "lines": writer.lines,
        "bytes": writer.raw_bytes,
        "bodies": writer.bodies,
        "streams": len(all_streams()),
        "start_ns": start_ns,
        "end_ns": writer.timestamp_ns,
        "needles": writer.needles,
    }
    (out / "meta.json").write_text(json.dumps(meta) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a corpus of invented logs and the pushes that carry it.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--mb", type=int, default=512)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=int, required=True, help="first timestamp, Unix seconds")
    parser.add_argument("--hours", type=float, default=2.0)
    arguments = parser.parse_args()
    generate(arguments.out, mb=arguments.mb, seed=arguments.seed, start_s=arguments.start, hours=arguments.hours)


if __name__ == "__main__":
    main()
