"""Who evaluates a group: one process at a time, by conditional writes of the group's state.

The state lies in the object store, so that whoever takes the group over goes on where it stood. Calls block.
Start at `Leases`.
"""

from __future__ import annotations

from dataclasses import dataclass

from lodur.model.clock import Clock
from lodur.model.durations import NS_PER_S
from lodur.ruler.group_state import GroupRecord, GroupState, decode_record, encode_record
from lodur.ruler.groups import GroupId
from lodur.store.object_store import ObjectStore
from lodur.store.summed_json import read_sound, report_damage

LEASE_NS = 150 * NS_PER_S
"""After a process has died its groups stand still for so long: two turns at the usual interval."""

CLOCKS_APART_NS = 5 * NS_PER_S
"""A lease of another is taken for over only then: clocks of machines differ."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A group that this process evaluates."""

    until_ns: int
    version: str
    """Of the object; whoever else writes it ends the lease."""
    state: GroupState


def state_path(group: GroupId) -> str:
    return f"{group.tenant}/state/ruler/{_name(group)}.json"


def _name(group: GroupId) -> str:
    return group.fingerprint().hex()[:32]


class Leases:
    """Takes groups, renews and gives back; `owner` is the same after a restart of the same process."""

    def __init__(self, store: ObjectStore, owner: str, clock: Clock) -> None:
        self._store = store
        self._owner = owner
        self._clock = clock

    def read(self, group: GroupId) -> GroupState:
        """What is stored of a group. Raises Unavailable."""
        return self._read(group)[0].state

    def take(self, group: GroupId) -> Lease | None:
        """Become the one who evaluates a group; None while another is. Raises Unavailable."""
        record, version = self._read(group)
        now_ns = self._clock.now_ns()
        is_foreign = record.owner not in ("", self._owner)
        if is_foreign and now_ns < record.lease_until_ns + CLOCKS_APART_NS:
            return None
        return self._write(group, record.state, version)

    def renew(self, group: GroupId, lease: Lease, state: GroupState) -> Lease | None:
        """Keep a state; None where another has taken the group meanwhile. Raises Unavailable."""
        return self._write(group, state, lease.version)

    def give_back(self, group: GroupId, lease: Lease, state: GroupState) -> None:
        """Keep a state and let others evaluate the group at once. Raises Unavailable."""
        self._store.replace_if(state_path(group), encode_record(GroupRecord("", 0, state)), lease.version)

    def forget(self, group: GroupId) -> None:
        """Delete the state of a group that is no more. Raises Unavailable."""
        self._store.delete(state_path(group))

    def _write(self, group: GroupId, state: GroupState, version: str | None) -> Lease | None:
        until_ns = self._clock.now_ns() + LEASE_NS
        data = encode_record(GroupRecord(self._owner, until_ns, state))
        written = self._store.replace_if(state_path(group), data, version)
        return None if written is None else Lease(until_ns, written, state)

    def _read(self, group: GroupId) -> tuple[GroupRecord, str | None]:
        path = state_path(group)
        found = read_sound(self._store, path, decode_record)
        if found is None:
            return GroupRecord("", 0, GroupState()), None
        if found.damaged is not None:
            report_damage(self._store, group.tenant, f"rules-state-{_name(group)}", path, found)
        # Where it cannot be restored, what alerts were like is lost, and will be known again after a turn.
        return found.value or GroupRecord("", 0, GroupState()), found.version
