"""End a writer's log: from then on it can acknowledge nothing more. Start at `end_log`."""

from __future__ import annotations

from lodur.kernels.wal import encode_wal_object
from lodur.store.object_store import ObjectStore
from lodur.store.object_wal.names import first_seq, object_path
from lodur.store.object_wal.reading import listed_sizes, read_object


def end_log(store: ObjectStore, writer_id: str, *, by: str, first_number: int) -> int:
    """Put an object `by` another at the first free number of a log, unless it has one; that number.

    `first_number` is that of its lease, before which no number is looked at: a listing may be out of date, and show
    objects that were deleted with others behind them, where there is a gap now. Raises as `ObjectStore`.
    """
    sizes = listed_sizes(store, writer_id)
    number = max(first_number, min(sizes, default=first_number))
    end = encode_wal_object(by, first_seq(number), [])
    # An object without records can only be what another has ended the log with.
    while sizes.get(number, 0) > len(end):
        number += 1
    while True:
        if store.replace_if(object_path(writer_id, number), end, None) is not None:
            return number
        found = read_object(store, writer_id, number)
        if found is not None and found.is_end:
            return number
        number += 1
