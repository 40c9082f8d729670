"""Random entries that queries of `generate_queries` find something in: few names, few values, many shapes of lines."""

from __future__ import annotations

import json
from random import Random

from tests.oracles.logql.row import Entry, pairs_of

BASE_NS = 1_700_000_000 * 10**9 + 3600 * 10**9 * 8
"""At 06:13 UTC, a multiple of 100 seconds: no data set comes near midnight, where segments end."""

SPAN_S = 64

FIELDS: dict[str, tuple[str, ...]] = {
    "level": ("info", "warn", "error", "debug", ""),
    "status": ("200", "404", "500", "301", "5xx", "-1"),
    "took": ("10ms", "1.5s", "250us", "2m", "1h2m", "soon", "0", "-3s", "7"),
    "size": ("1KB", "2KiB", "512", "1.5MB", "3 kb", "big", "0B"),
    "n": ("1", "2", "3.25", "-4", "7", "1e3", "x", "0.5", "16", "12", "20.75"),
    "path": ("/a", "/a/b", "/", "/über", "/a b"),
    "user": ("ann", "bob", "zoë", "日本", ""),
    "addr": ("10.0.0.1", "10.0.3.77", "192.168.4.5", "::1", "2001:db8::7", "nowhere"),
    "msg": ("all well", 'he said "no"', "tab\there", "back\\slash", "naïve 🎉", "failed: timeout"),
}
"""What lines say, by the name of the field."""

_FREQUENT = {"level": 0.8, "n": 0.9, "status": 0.7, "took": 0.6}

STREAM_LABELS: dict[str, tuple[str, ...]] = {
    "app": ("api", "web", "db"),
    "env": ("prod", "dev"),
    "pod": ("p0", "p1", "p2"),
    "level": ("info", "error"),
}

METADATA: dict[str, tuple[str, ...]] = {
    "trace": ("t1", "t2", "t3"),
    "detected_level": ("info", "error", "odd one"),
    "app": ("sm",),
    "took": ("5ms", "x"),
    "user": ("root",),
}

_WORDS = ("GET", "POST", "error", "Error", "timeout", "from", "needle", "a=b", "ünïcode", "=", '"', "{", "200", "xx")
_COLOURS = ("\x1b[31m", "\x1b[0m", "\x1b[1;32m")
_ODD_KEYS = ("a.b", "1st", "weird key", "größe", "app", "env", "trace", "x-y")


def generate_entries(random: Random) -> list[Entry]:
    """20 to 200 entries of a few streams; some share their time, a few are equal in everything."""
    streams = [_labels(random, STREAM_LABELS, ("app",)) for _ in range(random.randint(1, 6))]
    shapes = random.sample(_SHAPES, random.randint(1, len(_SHAPES)))
    has_metadata = random.random() < 0.5
    grain_ns = random.choice((10**9, 10**9, 5 * 10**8, 10**6, 1))
    entries: list[Entry] = []
    for _ in range(random.choice((20, 40, 80, 200))):
        at_ns = random.randrange(SPAN_S * 10**9 // grain_ns) * grain_ns
        metadata = _labels(random, METADATA, ()) if has_metadata and random.random() < 0.7 else ()
        entries.append(Entry(random.choice(streams), BASE_NS + at_ns, random.choice(shapes)(random), metadata))
        if random.random() < 0.02:
            entries.append(random.choice(entries))
    return entries


def _labels(random: Random, names: dict[str, tuple[str, ...]], always: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    chosen = [name for name in names if name in always or random.random() < 0.4]
    return pairs_of({name: random.choice(names[name]) for name in chosen})


def _fields(random: Random) -> list[tuple[str, str]]:
    names = [name for name in FIELDS if random.random() < _FREQUENT.get(name, 0.4)]
    fields = [(name, random.choice(FIELDS[name])) for name in names]
    if random.random() < 0.3:
        fields.append((random.choice(_ODD_KEYS), random.choice(("v", "w", "3"))))
    if fields and random.random() < 0.1:
        name, _ = random.choice(fields)
        fields.append((name, random.choice(FIELDS.get(name, ("again",)))))
    random.shuffle(fields)
    return fields


def json_line(random: Random) -> str:
    """A whole object; numbers stand bare where they can."""
    parts = [f"{json.dumps(key, ensure_ascii=random.random() < 0.5)}:{_json_value(random, value)}"
             for key, value in _fields(random)]  # fmt: skip
    if random.random() < 0.4:
        inner = ",".join(f'"{key}":{_json_value(random, value)}' for key, value in _fields(random)[:3])
        parts.append(f'"o":{{"k":[1,"two",{{"x":3}}],"z":"q"{"," * bool(inner)}{inner}}}')
    if random.random() < 0.3:
        parts.append(
            random.choice(('"nothing":null', '"list":["a","b"]', '"yes":true', '"e":{}', '"deep":{"o":{"n":5}}'))
        )
    random.shuffle(parts)
    separator = random.choice((",", ", ", " ,"))
    return random.choice(("{", "{ ")) + separator.join(parts) + "}"


def _json_value(random: Random, value: str) -> str:
    if random.random() < 0.6 and value.replace(".", "", 1).removeprefix("-").isdigit() and value[0] != "0":
        return value
    return json.dumps(value, ensure_ascii=random.random() < 0.5)


def broken_json_line(random: Random) -> str:
    line = json_line(random)
    if random.random() < 0.7:
        return line[: random.randint(1, len(line))]
    at = random.randrange(len(line))
    return line[:at] + random.choice(("", "}", "]", ",", '"', " x", ":")) + line[at + 1 :]


def logfmt_line(random: Random) -> str:
    return " ".join(f"{key.replace(' ', '_')}={_logfmt_value(random, value)}" for key, value in _fields(random))


def _logfmt_value(random: Random, value: str) -> str:
    if value and not set(value) & set(' "=\t\\') and random.random() < 0.8:
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")
    return f'"{escaped}"' if value or random.random() < 0.5 else ""


def broken_logfmt_line(random: Random) -> str:
    words = logfmt_line(random).split(" ")
    words.insert(
        random.randint(0, len(words)), random.choice(("bare", "=x", 'q="open', "a=b=c", 'k"', "empty=", 'e="\\q"', "n"))
    )
    return " ".join(words)


def access_line(random: Random) -> str:
    address, path = random.choice(FIELDS["addr"]), random.choice(FIELDS["path"])
    status, took = random.choice(FIELDS["status"]), random.choice(FIELDS["took"])
    return f'{address} - [{random.choice(FIELDS["user"])}] "GET {path}" {status} {took}'


def plain_line(random: Random) -> str:
    return " ".join(random.choice(_WORDS) for _ in range(random.randint(0, 6)))


def coloured_line(random: Random) -> str:
    return (
        f"{random.choice(_COLOURS)}level={random.choice(FIELDS['level'])}{random.choice(_COLOURS)} {plain_line(random)}"
    )


def packed_line(random: Random) -> str:
    members = {"_entry": logfmt_line(random), "app": "packed", "node": random.choice(("n1", "n2")), "n": "9"}
    return json.dumps(dict(random.sample(sorted(members.items()), random.randint(1, 4))), ensure_ascii=False)


_SHAPES = (
    json_line,
    json_line,
    broken_json_line,
    logfmt_line,
    logfmt_line,
    broken_logfmt_line,
    access_line,
    plain_line,
    coloured_line,
    packed_line,
)
