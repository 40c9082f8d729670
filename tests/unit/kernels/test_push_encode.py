"""Text to push bodies: what is a line, what is left over, and the bytes themselves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lodur.kernels.push_decode import ContentEncoding, PushFormat, PushLimits, decode_push
from lodur.kernels.push_encode import EncodedPush, encode_lines, snappy_compress

LABELS = '{job="j"}'


def lines_of(push: EncodedPush) -> list[tuple[int, str]]:
    if not push.lines:
        assert push.body == b""
        return []
    decoded = decode_push(
        push.body,
        format=PushFormat.LOKI_PROTOBUF,
        encoding=ContentEncoding.SNAPPY,
        limits=PushLimits.unchecked(),
        now_ns=0,
    )
    assert decoded.accepted_lines == push.lines
    return [(ts_ns, line) for labels, ts_ns, line, _, _ in decoded.entries() if labels == LABELS]


def test_the_message_byte_by_byte() -> None:
    push = encode_lines(b"ab\n", labels="{}", ts_ns=1_000_000_002, ts_step_ns=1, final=True, compress=False)
    entry = b"\x12\x0a" + b"\x0a\x04\x08\x01\x10\x02" + b"\x12\x02ab"
    assert push.body == b"\x0a\x10" + b"\x0a\x02{}" + entry
    assert (push.lines, push.consumed) == (1, 3)


def test_compression_is_the_snappy_block_format() -> None:
    assert snappy_compress(b"") == b"\x00"
    assert snappy_compress(b"abc") == b"\x03\x08abc"


def test_an_unfinished_line_waits_unless_it_is_the_last() -> None:
    waits = encode_lines(b"one\ntwo", labels=LABELS, ts_ns=5, ts_step_ns=2, final=False)
    assert (lines_of(waits), waits.consumed) == ([(5, "one")], 4)
    ends = encode_lines(b"one\ntwo", labels=LABELS, ts_ns=5, ts_step_ns=2, final=True)
    assert (lines_of(ends), ends.consumed) == ([(5, "one"), (7, "two")], 7)


@given(st.lists(st.binary(max_size=12), max_size=8))
def test_chunks_give_the_lines_of_the_whole(chunks: list[bytes]) -> None:
    lines: list[str] = []
    rest = b""
    for place, chunk in enumerate(chunks):
        final = place == len(chunks) - 1
        push = encode_lines(rest + chunk, labels=LABELS, ts_ns=0, ts_step_ns=0, final=final)
        lines += [line for _, line in lines_of(push)]
        rest = (rest + chunk)[push.consumed :]
    whole = b"".join(chunks)
    expected = whole.split(b"\n")
    if not expected[-1]:
        expected.pop()
    assert rest == b""
    assert lines == [line.decode(errors="replace") for line in expected]
