"""Objects and leases of the object WAL that released versions wrote are read as they were meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from lodur.store.object_wal.lease import Lease, LeaseState, decode_lease
from lodur.store.object_wal.names import first_seq
from lodur.store.object_wal.reading import decoded_object

MUSEUM = Path(__file__).parent / "object_wal"

WRITER = "0f0e0d0c-0b0a-4908-8706-050403020100"
ADOPTER = "1f1e1d1c-1b1a-4918-9716-151413121110"


def test_an_object_of_version_1() -> None:
    found = decoded_object((MUSEUM / "v1" / "object").read_bytes(), WRITER, 3)
    assert not found.is_end
    assert not found.is_damaged
    at_ns = 1_700_000_000 * 10**9
    assert [(one.seq, one.tenant, one.kind, one.accepted_at_ns, one.payload) for one in found.records] == [
        (first_seq(3), "t", 0, at_ns, b"reencoded"),
        (first_seq(3) + 1, "u", 1, at_ns + 1, b'["2023-11-14"]'),
        (first_seq(3) + 2, "t", 0x21, at_ns + 2, b"json"),
    ]


def test_the_end_of_a_log_of_version_1() -> None:
    found = decoded_object((MUSEUM / "v1" / "end").read_bytes(), WRITER, 4)
    assert found.is_end
    assert not found.records


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_lease(version: str) -> None:
    assert decode_lease((MUSEUM / version / "lease").read_bytes(), "lease") == Lease(
        ADOPTER,
        LeaseState.ADOPTED,
        epoch=2,
        beat=7,
        first_number=3,
        end_number=4,
        damaged_numbers=(3,),
        said_at_ns=1_700_000_000 * 10**9 + 3,
    )
