"""The lease of a writer: a small object that says whether it lives, or who brings its log to an end.

Every change is a conditional write, so that of two who would change it one succeeds. Nobody compares clocks: a lease is
old when it has not changed for a while of the observer's own time. Format: docs/formats/object-wal.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

import msgspec

from lodur.store.object_store import ObjectStore
from lodur.store.object_wal.names import FIRST_NUMBER, LOGS, lease_path
from lodur.store.object_wal.reading import listed_numbers
from lodur.store.summed_json import SUMMED_VERSION, DamagedJson, check_summed, read_sound, report_damage, with_sum

VERSION = SUMMED_VERSION
"""Of the format that is written; 1 had no checksum."""


class LeaseState(StrEnum):
    """What becomes of a log; states follow one another in this order."""

    LIVE = "live"
    CLOSED = "closed"
    """Its writer has stopped and left it to others."""
    ADOPTING = "adopting"
    """Its owner brings the rows into segments."""
    ADOPTED = "adopted"
    """All rows are in committed segments; the objects stay for readers that have not seen that yet."""
    DONE = "done"
    """The objects are deleted, but for the one that keeps the writer from coming back."""


@dataclass(frozen=True, slots=True)
class Lease:
    """What a lease says."""

    owner: str
    """The writer itself, later whoever adopts its log; empty where it cannot be read."""
    state: LeaseState = LeaseState.LIVE
    epoch: int = 1
    """Grows with each owner."""
    beat: int = 0
    """Grows with each sign of life."""
    first_number: int = 1
    """Of the objects that are not deleted, or about to be; all before were in committed segments."""
    end_number: int = 0
    """Of the object that ends the log; 0 as long as none does."""
    damaged_numbers: tuple[int, ...] = ()
    """Of objects that its adopter could not read whole; they are not deleted."""
    said_at_ns: int = 0
    """By the owner's clock: for people, and for the deletion of what is done."""
    version: int = VERSION


@dataclass(frozen=True, slots=True)
class StoredLease:
    """A lease and the version of its object."""

    lease: Lease
    version: str


def read_lease(store: ObjectStore, writer_id: str) -> StoredLease | None:
    """A writer's lease, restored where it is damaged; None where there is none.

    Damage is logged, and the bytes are put aside. Of a lease that cannot be restored nothing is taken for granted, as
    `_unknown_lease` says. Raises CorruptData for a version that this build does not know, and as `ObjectStore`.
    """
    path = lease_path(writer_id)
    found = read_sound(store, path, decode_lease)
    if found is None:
        return None
    if found.damaged is not None:
        report_damage(store, LOGS, f"lease-{writer_id}", path, found)
    lease = found.value if found.value is not None else _unknown_lease(store, writer_id)
    return StoredLease(lease, found.version)


def _unknown_lease(store: ObjectStore, writer_id: str) -> Lease:
    """What is safe to believe of a lease that cannot be read.

    A writer that lives writes another in the time of a lease. One that does not is adopted then, though that may have
    been done before: rows that manifests cover are left out. What is not deleted begins with the first object that is
    there, for the last one always stays. The writer itself does not know the lease for its own, and begins anew.
    """
    return Lease("", first_number=min(listed_numbers(store, writer_id), default=FIRST_NUMBER))


def is_gone(stores: Iterable[ObjectStore], writer_id: str) -> bool:
    """Whether a writer's log was left or taken from it, as far as is known. Raises as `read_lease`."""
    leases = (read_lease(store, writer_id) for store in stores)
    return any(found is not None and found.lease.state is not LeaseState.LIVE for found in leases)


def write_lease(store: ObjectStore, writer_id: str, lease: Lease, known: StoredLease | None) -> StoredLease | None:
    """Put a lease in the place of the known one (None: of none); None where another was faster.

    An attempt whose answer was lost is recognised. Raises as `ObjectStore`.
    """
    path = lease_path(writer_id)
    version = store.replace_if(path, encode_lease(lease), known.version if known else None)
    if version is not None:
        return StoredLease(lease, version)
    found = read_lease(store, writer_id)
    return found if found is not None and found.lease == lease else None


def encode_lease(lease: Lease) -> bytes:
    return with_sum(msgspec.json.encode(lease, order="deterministic"))


def decode_lease(data: bytes, path: str) -> Lease:
    """The lease of an object. Raises DamagedJson, and CorruptData for versions that this build does not know."""
    check_summed(data, path, "leases")
    try:
        return replace(_LEASE.decode(data), version=VERSION)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedJson(path, f"not a lease: {error}") from error


# Made here, once: several threads that each make one of the same type at the same time crash msgspec.
_LEASE = msgspec.json.Decoder(Lease)
