"""Records are decoded ahead on threads of their own that let flushes go first, and come in the order of the log."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

from lodur.ingest.record_decoding import NICENESS, Decoded, RecordDecoder, decoded_ahead
from lodur.ingest.record_kinds import kind_of
from lodur.model.limits import IngestLimits
from lodur.store.journal import Wal, WalOptions
from lodur.wire.push_body import push_form

NOW_NS = 1_700_000_000 * 10**9
JSON = push_form("application/json", "", is_legacy_path=False)
RECORDS = 20


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_decoding_lets_flushes_go_first_and_keeps_the_order(tmp_path: Path) -> None:
    wal = Wal.open(WalOptions(path=tmp_path))
    for number in range(RECORDS):
        values = [[str(NOW_NS + number * RECORDS + row), "x"] for row in range(number + 1)]
        body = json.dumps({"streams": [{"stream": {"app": "x"}, "values": values}]}).encode()
        wal.append("a", kind_of(JSON), NOW_NS, body)
    wal.close()
    before, seen = niceness(), set[int]()
    limits = IngestLimits()

    wal = Wal.open(WalOptions(path=tmp_path))
    decoder = RecordDecoder(lambda _: limits)
    done = list(decoded_ahead(decoder, wal.replay(), lambda _: seen.add(niceness())))
    wal.close()

    rows = [decoded.push.accepted_lines for _, decoded in done if isinstance(decoded, Decoded)]
    assert rows == list(range(1, RECORDS + 1))
    assert seen == {max(before, NICENESS)}
    assert niceness() == before
