"""Pushes that are wrong, each in its own way, with the answer that each must get. Start at `MALFORMED`.

The limits in the comments are those of `CONFIG`.
"""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.push_bodies import bytes_field, entry_message, number_field, push_message, snappy, stream_message, varint

MIB = 2**20
BODY_MAX = 4 * MIB
DECOMPRESSED_MAX = 32 * MIB

CONFIG = """
auth_enabled: true
distributor:
  max_recv_msg_size: 4194304
  max_decompressed_size: 32MB
"""

PUSH, LEGACY = "/loki/api/v1/push", "/api/prom/push"
JSON = {"Content-Type": "application/json"}
PROTOBUF = {"Content-Type": "application/x-protobuf"}
TENANT = {"X-Scope-OrgID": "outsider"}

BAD, TOO_LARGE, EMPTY = 400, 413, 422


@dataclass(frozen=True, slots=True)
class Malformed:
    """A push and what its answer must be: a status, and a text that names the matter."""

    name: str
    body: bytes
    says: str
    status: int = BAD
    headers: Mapping[str, str] = field(default_factory=lambda: JSON | TENANT)
    path: str = PUSH
    method: str = "POST"


def _streams(*streams: object) -> bytes:
    return json.dumps({"streams": streams}).encode()


def _values(*values: object, labels: object = None) -> bytes:
    return _streams({"stream": {"app": "x"} if labels is None else labels, "values": values})


def _json(name: str, body: bytes, says: str, status: int = BAD) -> Malformed:
    return Malformed(f"json: {name}", body, says, status)


def _packed(name: str, body: bytes, says: str, status: int = BAD) -> Malformed:
    """A body as it goes over the wire."""
    return Malformed(f"protobuf: {name}", body, says, status, PROTOBUF | TENANT)


def _proto(name: str, message: bytes, says: str, status: int = BAD) -> Malformed:
    return _packed(name, snappy(message), says, status)


def _labels(name: str, labels: bytes, says: str) -> Malformed:
    return _proto(f"labels {name}", push_message(stream_message(labels, ENTRY)), says)


def _header(name: str, headers: Mapping[str, str], says: str, status: int = BAD, body: bytes = b"x") -> Malformed:
    return Malformed(f"header: {name}", body, says, status, headers)


def _encoded(name: str, encoding: str, body: bytes, says: str, status: int = BAD) -> Malformed:
    return Malformed(f"{encoding}: {name}", body, says, status, JSON | TENANT | {"Content-Encoding": encoding})


NOW_S = 1_790_000_000
"""Only for entries that are refused for another reason than their time."""

ENTRY = entry_message(NOW_S, 0, b"line")
MESSAGE = push_message(stream_message(b'{app="x"}', ENTRY))
GOOD_JSON = _values([f"{NOW_S}000000000", "line"])


def _raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def _snappy_bomb() -> bytes:
    """64 bytes of every three: a literal, then copies of it."""
    copies = (DECOMPRESSED_MAX + MIB) // 64
    return varint(1 + copies * 64) + b"\x00a" + b"\xfe\x01\x00" * copies


_JSON_SHAPES = (
    _json("nothing but a brace", b"{", "byte 1"),
    _json("cut in the middle", GOOD_JSON[:-9], "byte"),
    _json("a number", b"7", "expected"),
    _json("null inside", b'{"streams":[null]}', "streams[0]"),
    _json("streams an object", b'{"streams":{}}', "expected"),
    _json("streams a text", b'{"streams":"x"}', "expected"),
    _json("a stream a number", b'{"streams":[1]}', "streams[0]"),
    _json("labels a list", _values(["1", "x"], labels=["app"]), "expected"),
    _json("labels a text", _values(["1", "x"], labels='{app="x"}'), "expected"),
    _json("values a text", b'{"streams":[{"stream":{"app":"x"},"values":"x"}]}', "expected"),
    _json("an entry a text", _values("x"), "values[0]"),
    _json("an entry an object", _values({"ts": "1", "line": "x"}), "values[0]"),
    _json("a line a number", _values([f"{NOW_S}000000000", 5]), "values[0]"),
    _json("a line null", _values([f"{NOW_S}000000000", None]), "values[0]"),
    _json("metadata a list", _values([f"{NOW_S}000000000", "x", ["a"]]), "values[0]"),
    _json("metadata nested", _values([f"{NOW_S}000000000", "x", {"a": {"b": "c"}}]), "values[0]"),
    _json("metadata a number", _values([f"{NOW_S}000000000", "x", {"a": 1}]), "values[0]"),
    _json("a comma too many", GOOD_JSON.replace(b"]]", b"],]"), "values[1]"),
    _json("single quotes", GOOD_JSON.replace(b'"', b"'"), "byte 1"),
    _json("a comment", b"// x\n" + GOOD_JSON, "byte 0"),
    _json("half a surrogate pair", GOOD_JSON.replace(b"line", rb"\ud800"), "surrogate"),
    _json("an unknown escape", GOOD_JSON.replace(b"line", rb"\q"), "escape"),
    _json("an escape cut off", GOOD_JSON.replace(b"line", rb"\u12"), "escape"),
    _json("UTF-16", GOOD_JSON.decode().encode("utf-16"), "byte 0"),
    _json("a deep value nobody asked for", b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested deeper"),
    _json("a deep open value", b'{"streams":' + b"[" * 1_000_000, "byte"),
    _json(
        "deep metadata",
        _values([f"{NOW_S}000000000", "x", {"a": "b"}]).replace(b'"b"', b"{" * 9_999),
        "deeper than 128",
    ),
    _json("NaN", b'{"streams":NaN}', "expected"),
    _json("only blanks", b" \n\t ", "EOF"),
    _json("no streams", b"{}", "at least one valid stream", EMPTY),
    _json("a list of no streams", b'{"streams":[]}', "at least one valid stream", EMPTY),
    _json("protobuf instead", snappy(MESSAGE), "byte 0"),
    _json("larger than it may be", GOOD_JSON + b" " * BODY_MAX, "request body too large", TOO_LARGE),
)

_TIMES = (
    _json("a time a number", _values([NOW_S, "x"]), "Value looks like Number"),
    _json("a time a truth", _values([True, "x"]), "timestamp is no string"),
    _json("a time null", _values([None, "x"]), "timestamp is no string"),
    _json("a time a word", _values(["yesterday", "x"]), '"yesterday"'),
    _json("a time empty", _values(["", "x"]), "values[0]"),
    _json("a time with a fraction", _values(["1790000000.5", "x"]), '"1790000000.5"'),
    _json("a time of 65 bits", _values(["18446744073709551616", "x"]), '"18446744073709551616"'),
    _json("a time one beyond 63 bits", _values([str(2**63), "x"]), str(2**63)),
    _json("a time with a thousand digits", _values(["9" * 1000, "x"]), "values[0]"),
    _json("a time before the epoch", _values(["-1", "x"]), "timestamp too old: 1969-12-31T23:59:59Z"),
    _json("the first time of all", _values([str(-(2**63)), "x"]), "timestamp too old: 1677-"),
    _json("the last time of all", _values([str(2**63 - 1), "x"]), "timestamp too new: 2262-"),
    _json("a time in seconds", _values([str(NOW_S), "x"]), "timestamp too old: 1970-"),
    _proto("negative nanoseconds", push_message(stream_message(b'{a="b"}', entry_message(1, -1, b""))), "out of range"),
    _proto("2^63 seconds", push_message(stream_message(b'{a="b"}', entry_message(2**62, 0, b""))), "out of range"),
    _proto("-2^63 seconds", push_message(stream_message(b'{a="b"}', entry_message(-(2**63), 0, b""))), "out of range"),
)

_LABELS = (
    _labels("empty text", b"", "unexpected end of input"),
    _labels("without braces", b'app="x"', 'expected "{"'),
    _labels("without quotes", b"{app=x}", "expected string"),
    _labels("left open", b'{app="x"', "unexpected end of input"),
    _labels("with a text left open", b'{app="x}', "unterminated quoted string"),
    _labels("with a name of digits", b'{1a="x"}', "unexpected character inside braces: '1'"),
    _labels("with an unknown escape", rb'{a="\q"}', "unknown escape sequence"),
    _labels("followed by more", b'{a="b"} |= "c"', "unexpected character inside braces: '|'"),
    _labels("not UTF-8", b'{a="\xff\xfe"}', "UTF-8"),
    _labels("with a NUL as name", b'{\x00="b"}', "1:2"),
    _labels("twice the same", b'{a="1", a="2"}', "duplicate label name: 'a'"),
    _labels("none", b"{", "unexpected end of input"),
    _json("a label name with a dash", _values([f"{NOW_S}000000000", "x"], labels={"a-b": "c"}), "'-'"),
    _json("a label name empty", _values([f"{NOW_S}000000000", "x"], labels={"": "c"}), "couldn't parse labels"),
    _json("a label name of a NUL", _values([f"{NOW_S}000000000", "x"], labels={"\0": "c"}), "couldn't parse labels"),
    _json("16 labels", _values(["1", "x"], labels={f"l{n}": "x" for n in range(16)}), "16 label names; limit 15"),
    _json("100000 labels", _values(["1", "x"], labels={f"l{n}": "x" for n in range(100_000)}), "100000 label names"),
    _json("a long label name", _values(["1", "x"], labels={"n" * 1025: "x"}), "label name too long"),
    _json("a long label value", _values(["1", "x"], labels={"a": "v" * 2049}), "label value too long"),
    _json(
        "a huge word as label name", _values(["1", "x"], labels={"a " + "b" * 3 * MIB: "v"}), "unexpected identifier"
    ),
    _json("a huge label value", _values(["1", "x"], labels={"a": "v" * 3 * MIB}), "label value too long"),
)


def _at_now(now_s: int, line: str, metadata: Mapping[str, str] | None = None) -> bytes:
    return _values([f"{now_s}000000000", line, *([metadata] if metadata else [])])


def malformed_at(now_s: int) -> Sequence[Malformed]:
    """Pushes whose time is good, so that it is not their time that is refused."""
    return (
        _json("a line one byte too long", _at_now(now_s, "x" * 262_145), "max entry size '262144' bytes exceeded"),
        _json("a huge line", _at_now(now_s, "x" * (3 * MIB)), "max entry size '262144' bytes exceeded"),
        _json("much metadata", _at_now(now_s, "x", {"a": "v" * 65_537}), "structured metadata too large"),
        _json("metadata of many names", _at_now(now_s, "x", {f"m{n}": "" for n in range(129)}), "limit: '128'"),
    )


_PROTOBUF = (
    _packed("not snappy", MESSAGE, "snappy: corrupt input"),
    _packed("JSON instead", GOOD_JSON, "snappy: corrupt input"),
    _packed("a block cut off", snappy(MESSAGE)[:-3], "snappy: corrupt input"),
    _packed("a block with more behind", snappy(MESSAGE) + b"zz", "snappy: corrupt input"),
    _packed("a framed stream", b"\xff\x06\x00\x00sNaPpY" + snappy(MESSAGE), "snappy: corrupt input"),
    _packed("a length that lies: little more", varint(len(MESSAGE) + 1) + snappy(MESSAGE)[1:], "snappy: corrupt input"),
    _packed("a length that lies: less", varint(3) + snappy(MESSAGE)[1:], "snappy: corrupt input"),
    _packed("a length that lies: 4 GB", varint(2**32 - 1) + b"\x00a", "snappy: corrupt input"),
    _packed("a length that lies: 2^64", varint(2**64 - 1) + b"\x00a", "snappy: corrupt input"),
    _packed("a length without end", b"\xff" * 20, "snappy: corrupt input"),
    _packed("a copy from before the start", varint(64) + b"\xfe\x01\x00", "snappy: corrupt input"),
    _packed("a bomb", _snappy_bomb(), "request body too large", TOO_LARGE),
    _packed("an empty block", snappy(b""), "at least one valid stream", EMPTY),
    _proto("noise", bytes(range(7, 255)), "proto"),
    _proto("a field beyond the end", b"\x0a\xff\xff\xff\xff\x0f", "proto: unexpected EOF"),
    _proto("a tag of field 0", b"\x00\x00", "proto: illegal tag"),
    _proto("a group", b"\x0b\x0c", "proto: wrong wire type"),
    _proto("streams a number", number_field(1, 7), "proto: wrong wire type"),
    _proto("labels a number", push_message(number_field(1, 7)), "proto: wrong wire type"),
    _proto("a varint without end", b"\x0a" + b"\xff" * 11, "proto: integer overflow"),
    _proto("an entry cut off", push_message(stream_message(b'{a="b"}', ENTRY[:-2])), "proto: unexpected EOF"),
    _proto("a time a text", push_message(stream_message(b'{a="b"}', bytes_field(1, b"zz"))), "proto"),
    _proto("a stream without labels", push_message(bytes_field(2, ENTRY)), "error parsing labels"),
    _proto("20 MB of empty entries", push_message(stream_message(b"{", b"")) + b"\x12\x00" * 2_000_000, "labels"),
)

_ENCODINGS = (
    _encoded("not gzip", "gzip", GOOD_JSON, "gzip: invalid header"),
    _encoded("cut off", "gzip", gzip.compress(GOOD_JSON)[:-12], "EOF"),
    _encoded("wrong checksum", "gzip", gzip.compress(GOOD_JSON)[:-8] + b"\x00" * 8, "gzip"),
    _encoded("a bomb", "gzip", gzip.compress(b" " * (DECOMPRESSED_MAX + MIB)), "request body too large", TOO_LARGE),
    _encoded("a bomb in a bomb", "gzip", gzip.compress(gzip.compress(b" " * (64 * MIB))), "byte 0"),
    _encoded("1000 small members", "gzip", gzip.compress(b"[") * 1000, "byte 0"),
    _encoded("not deflate", "deflate", b"\xff" * 40, "deflate"),
    _encoded("with a zlib header", "deflate", zlib.compress(GOOD_JSON), "deflate"),
    _encoded("a bomb", "deflate", _raw_deflate(b" " * (DECOMPRESSED_MAX + MIB)), "request body too large", TOO_LARGE),
    _encoded("not zstd", "zstd", GOOD_JSON, "zstd"),
    _encoded("a window of gigabytes", "zstd", struct.pack("<IBB", 0xFD2FB528, 0x00, 0xA8) + b"\x01\0\0", "zstd"),
    _encoded("unknown", "br", GOOD_JSON, 'Content-Encoding "br" not supported'),
    _encoded("two at once", "gzip, gzip", GOOD_JSON, 'Content-Encoding "gzip, gzip" not supported'),
)

_HEADERS = (
    _header("empty body", JSON | TENANT, "EOF", body=b""),
    _header("empty protobuf", PROTOBUF | TENANT, "snappy: corrupt input", body=b""),
    _header("no content type, JSON body", TENANT, "snappy: corrupt input", body=GOOD_JSON),
    _header("content type without a name", TENANT | {"Content-Type": "/"}, "mime"),
    _header("content type with a slash too many", TENANT | {"Content-Type": "a/b/c"}, "mime"),
    _header("content type with a bad parameter", TENANT | {"Content-Type": "application/json; =x"}, "mime"),
    _header("form", TENANT | {"Content-Type": "application/x-www-form-urlencoded"}, "snappy: corrupt input"),
    _header("no tenant", JSON, "no org id", 401, GOOD_JSON),
    _header("empty tenant", JSON | {"X-Scope-OrgID": ""}, "no org id", 401, GOOD_JSON),
    _header("tenant of bars", JSON | {"X-Scope-OrgID": "|||"}, "no org id", 401, GOOD_JSON),
    _header("two tenants", JSON | {"X-Scope-OrgID": "a|b"}, "multiple org IDs present", body=GOOD_JSON),
    *(
        _header(f"tenant {name!r}", JSON | {"X-Scope-OrgID": name}, says, body=GOOD_JSON)
        for name, says in (
            ("..", "tenant ID is '.' or '..'"),
            (".", "tenant ID is '.' or '..'"),
            ("a/../b", "unsupported character '/'"),
            ("../../etc", "unsupported character '/'"),
            ("%2e%2e", "unsupported character '%'"),
            ("a\\b", "unsupported character '\\'"),
            ("a b", "unsupported character ' '"),
            ("a,b", "unsupported character ','"),
            ("größe", "unsupported character"),
            ("a\tb", "unsupported character"),
            ("x" * 151, "tenant ID is too long: max 150 characters"),
            ("x" * 20_000, "tenant ID is too long: max 150 characters"),
        )
    ),
)

_METHODS = tuple(
    Malformed(
        f"{method} {path}", b"" if method == "GET" else GOOD_JSON, says, status, JSON | TENANT, path=path, method=method
    )
    for method, path, status, says in (
        ("GET", PUSH, 405, ""),
        ("PUT", PUSH, 405, ""),
        ("DELETE", LEGACY, 405, ""),
        ("NONSENSE", PUSH, 405, ""),
        ("POST", "/loki/api/v1/push/", 404, "404 page not found"),
        ("POST", "/loki/api/v1//push", 404, "404 page not found"),
        ("POST", "/loki/api/v1/%70ush%00", 404, "404 page not found"),
        ("POST", "/loki/api/v1/../../api/v1/push", 404, "404 page not found"),
    )
)

_LEGACY = tuple(
    Malformed(f"legacy: {name}", json.dumps({"streams": [stream]}).encode(), says, path=LEGACY)
    for name, stream, says in (
        ("labels", {"labels": "{", "entries": [{"ts": "2026-01-01T00:00:00Z", "line": "x"}]}, "parse error"),
        ("a time", {"labels": '{a="b"}', "entries": [{"ts": "noon", "line": "x"}]}, "noon"),
        ("no time", {"labels": '{a="b"}', "entries": [{"line": "x"}]}, "without ts"),
        ("a 13th month", {"labels": '{a="b"}', "entries": [{"ts": "2026-13-01T00:00:00Z", "line": "x"}]}, "2026-13"),
        ("year 9999", {"labels": '{a="b"}', "entries": [{"ts": "9999-01-01T00:00:00Z", "line": "x"}]}, "9999"),
    )
)

MALFORMED: Sequence[Malformed] = (
    *_JSON_SHAPES, *_TIMES, *_LABELS, *_PROTOBUF, *_ENCODINGS, *_HEADERS, *_METHODS, *_LEGACY
)  # fmt: skip
