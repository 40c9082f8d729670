"""Bodies of pushes through the kernel, against recorded answers of Loki and the rules that they follow."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodur.kernels.push_decode import (
    ContentEncoding,
    DecodedPush,
    PushFormat,
    PushLimits,
    decode_push,
)
from lodur.kernels.push_encode import encode_lines
from lodur.model.errors import InvalidRequest, LimitExceeded

CORPUS = Path(__file__).parents[2] / "conformance" / "logql" / "dev"
NOW_NS = 1_768_478_400_000_000_000

# The settings under which the answers were recorded.
RECORDED_LIMITS = PushLimits(reject_old_samples=False, creation_grace_period_ns=315_360_000_000_000_000)

ENCODINGS = {
    "": ContentEncoding.IDENTITY,
    "snappy": ContentEncoding.SNAPPY,
    "gzip": ContentEncoding.GZIP,
    "deflate": ContentEncoding.DEFLATE,
}


def format_of(path: str, content_type: str) -> PushFormat:
    if path == "/otlp/v1/logs":
        return PushFormat.OTLP_JSON if content_type == "application/json" else PushFormat.OTLP_PROTOBUF
    if content_type.partition(";")[0].strip().lower() != "application/json":
        return PushFormat.LOKI_PROTOBUF
    return PushFormat.LEGACY_JSON if path == "/api/prom/push" else PushFormat.LOKI_JSON


def recorded_cases() -> Iterator[Any]:
    """Pushes whose answer depends on the body alone: not on the tenant, the media type's syntax or other paths."""
    for text in (CORPUS / "cases" / "18-push.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(text)
        header_errors = ("no org id", "multiple org IDs", "tenant ID", "mime:", "Content-Encoding", "\x12)content type")
        if not case["expect"].get("error", "").startswith(header_errors):
            yield pytest.param(case, id=case["id"])


def body_of(case: dict[str, Any]) -> bytes:
    return base64.b64decode(case["body_b64"]) if "body_b64" in case else case.get("body", "").encode()


def answer_to(case: dict[str, Any]) -> tuple[int, str]:
    headers = case["headers"]
    try:
        push = decode_push(
            body_of(case),
            format=format_of(case["path"], headers["Content-Type"]),
            encoding=ENCODINGS[headers.get("Content-Encoding", "")],
            limits=RECORDED_LIMITS,
            now_ns=NOW_NS,
        )
    except InvalidRequest as error:
        return 400, str(error)
    text = push.refusal_text
    return (204, "") if text is None else (push.problems[-1].status, text)


@pytest.mark.parametrize("case", list(recorded_cases()))
def test_answers_are_those_recorded(case: dict[str, Any]) -> None:
    status, text = answer_to(case)
    expected = case["expect"]
    assert status in case.get("compare", {}).get("status_in", [expected["status"]]), text
    # Texts of the decoder's own are ours; those of the limits are the protocol's.
    if case.get("compare", {}).get("class"):
        assert text == expected["error"]


def pushed_bodies() -> Iterator[tuple[dict[str, Any], DecodedPush]]:
    for push in json.loads((CORPUS / "manifest.json").read_text(encoding="utf-8"))["pushes"]:
        stored = (CORPUS / push["file"]).read_bytes()
        decoded = decode_push(
            stored if push.get("send_gzipped") else gzip.decompress(stored),
            format=format_of(push["path"], push["content_type"]),
            encoding=ENCODINGS[push.get("content_encoding", "")],
            limits=RECORDED_LIMITS,
            now_ns=NOW_NS,
        )
        yield push, decoded


def test_all_pushes_of_the_corpus_are_accepted() -> None:
    for push, decoded in pushed_bodies():
        assert decoded.refusal_text is None, push["file"]
        if "entries" in push:
            assert decoded.accepted_lines == push["entries"], push["file"]


def recorded_entries() -> Iterator[tuple[str, str, int, str, dict[str, str]]]:
    """Query, tenant, time, line and all labels (of stream, metadata and level) of what plain selectors gave."""
    for path in sorted((CORPUS / "cases").glob("*.jsonl")):
        for text in path.read_text(encoding="utf-8").splitlines():
            case = json.loads(text)
            query = dict(case.get("params") or []).get("query", "")
            data = case["expect"].get("data")
            if not re.fullmatch(r"\{[^|]*\}", query) or not isinstance(data, dict):
                continue
            if data.get("resultType") == "streams" and "encodingFlags" not in data:
                for stream in data["result"]:
                    for ts, line in stream["values"]:
                        yield query, case["tenant"], int(ts), line, stream["stream"]


def test_levels_labels_and_metadata_are_those_recorded() -> None:
    stored: dict[tuple[str, int, str], list[dict[str, str]]] = {}
    for push, decoded in pushed_bodies():
        for labels_text, ts_ns, line, metadata, level in decoded.entries():
            pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels_text)
            stream = {name: json.loads(f'"{value}"') for name, value in pairs}
            # Answers show a name that the stream has too with a suffix.
            labels = stream | {name + "_extracted" * (name in stream): value for name, value in metadata}
            labels |= {"detected_level": level} if level else {}
            stored.setdefault((push["tenant"], ts_ns, line), []).append(labels)
    checked = 0
    for query, tenant, ts_ns, line, labels in recorded_entries():
        if "|" in tenant or labels.get("__tenant_id__"):
            continue
        assert labels in stored.get((tenant, ts_ns, line), []), (query, tenant, ts_ns, line)
        checked += 1
    assert checked > 900


def json_body(*values: list[Any], labels: dict[str, str] | None = None) -> bytes:
    streams = [{"stream": {"app": "x"} if labels is None else labels, "values": list(values)}]
    return json.dumps({"streams": streams}).encode()


def decode_json(body: bytes, limits: PushLimits) -> DecodedPush:
    return decode_push(
        body, format=PushFormat.LOKI_JSON, encoding=ContentEncoding.IDENTITY, limits=limits, now_ns=NOW_NS
    )


def test_counts_and_problems() -> None:
    push = decode_json(
        json_body([str(NOW_NS), "good", {"k": "v"}], [str(NOW_NS), "much too long"]),
        PushLimits(max_line_size_bytes=10),
    )
    assert (push.accepted_lines, push.accepted_bytes) == (1, 6)
    assert (push.received_streams, push.received_lines, push.received_bytes) == (1, 2, 19)
    assert push.streams == [('{app="x", service_name="x"}', 1, 6)]
    assert push.entries() == [('{app="x", service_name="x"}', NOW_NS, "good", [("k", "v")], "unknown")]
    assert not push.all_accepted
    (problem,) = push.problems
    assert (problem.reason, problem.status, problem.errors) == ("line_too_long", 400, 1)
    assert (problem.lines, problem.bytes) == (1, 13)
    assert push.refusal_text == problem.message


def test_errors_are_of_our_tree() -> None:
    with pytest.raises(InvalidRequest, match=r"streams\[0\]\.values\[1\]: timestamp is no string"):
        decode_json(json_body([str(NOW_NS), "x"], [5, "y"]), PushLimits())
    with pytest.raises(LimitExceeded, match=r"^request body too large: ") as raised:
        decode_json(json_body([str(NOW_NS), "x" * 100]), PushLimits(max_decompressed_size_bytes=64))
    assert raised.value.limit == "max_recv_msg_size"


def test_limits_are_taken_by_name() -> None:
    limits = PushLimits(
        discover_service_name=["zone"],
        discover_log_levels=True,
        log_level_fields=["prio"],
        max_line_size_bytes=10,
        max_line_size_truncate=True,
        max_line_size_truncate_identifier="~",
    )
    push = decode_json(json_body([str(NOW_NS), "prio=err and more"], labels={"zone": "z"}), limits)
    assert push.entries() == [('{service_name="z", zone="z"}', NOW_NS, "prio=err ~", [], "error")]
    assert (push.truncated_lines, push.truncated_bytes) == (1, 8)


entries = st.tuples(
    st.integers(min_value=-(2**62), max_value=2**62),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.dictionaries(
        st.from_regex("[a-z][a-z_]{0,3}", fullmatch=True),
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5),
        max_size=3,
    ),
)


@given(st.lists(entries, min_size=1, max_size=8))
def test_entries_survive_decoding_and_encoding(given_entries: list[tuple[int, str, dict[str, str]]]) -> None:
    limits = PushLimits(
        reject_old_samples=False,
        creation_grace_period_ns=2**63 - 1,
        discover_log_levels=False,
        discover_service_name=[],
    )
    push = decode_json(json_body(*([str(ts), line, pairs] for ts, line, pairs in given_entries)), limits)
    expected = [('{app="x"}', ts, line, sorted(pairs.items()), "") for ts, line, pairs in given_entries]
    assert push.entries() == expected
    again = decode_push(
        push.to_body(),
        format=PushFormat.LOKI_PROTOBUF,
        encoding=ContentEncoding.IDENTITY,
        limits=PushLimits.unchecked(),
        now_ns=0,
    )
    assert again.entries() == expected


@given(st.binary(max_size=200), st.sampled_from([PushFormat.LOKI_PROTOBUF, PushFormat.LOKI_JSON]))
def test_any_bytes_are_answered(body: bytes, push_format: PushFormat) -> None:
    for encoding in (*ENCODINGS.values(), ContentEncoding.ZSTD, ContentEncoding.LZ4):
        with contextlib.suppress(InvalidRequest):
            push = decode_push(body, format=push_format, encoding=encoding, limits=PushLimits(), now_ns=NOW_NS)
            assert push.received_lines >= push.accepted_lines == len(push.entries())


def test_lines_are_decoded_as_they_were_sent() -> None:
    sent = encode_lines(b"one\r\n\ntw\xffo\nrest", labels='{job="j"}', ts_ns=NOW_NS, ts_step_ns=3, final=False)
    push = decode_push(
        sent.body,
        format=PushFormat.LOKI_PROTOBUF,
        encoding=ContentEncoding.SNAPPY,
        limits=PushLimits(),
        now_ns=NOW_NS,
    )
    assert (sent.lines, sent.consumed) == (3, 11)
    assert [(ts, line) for _, ts, line, _, _ in push.entries()] == [
        (NOW_NS, "one\r"),
        (NOW_NS + 3, ""),
        (NOW_NS + 6, "tw\N{REPLACEMENT CHARACTER}o"),
    ]
