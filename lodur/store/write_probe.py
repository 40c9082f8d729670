"""Find out at start whether a remote object store lets this process write, on conditions, and delete.

A listing alone does not tell: pushes would be acknowledged on the local disk while every flush fails. Start at
`check_writes`.
"""

from __future__ import annotations

from lodur.model.errors import InvalidRequest, Unavailable
from lodur.store.object_store import ObjectStore, is_remote

PROBE_PREFIX = "write-probe-"
"""Of an object at the root of the store: tenants and logs are folders there, so that no listing takes it for one."""

FIRST, SECOND, LATE = (b"1\n", b"2\n", b"3\n")
"""What is written one after the other; the last must be refused."""


def check_writes(store: ObjectStore, writer_id: str) -> None:
    """Create, replace and delete a small object, unless the store is a local directory.

    Raises as `ObjectStore`, and InvalidRequest for a store that writes whatever the condition.
    """
    if not is_remote(store):
        return
    path = f"{PROBE_PREFIX}{writer_id}"
    # An attempt that was refused in the middle has left one.
    known = store.get(path)
    first = _written(store, path, FIRST, known.version if known is not None else None)
    _written(store, path, SECOND, first)
    if store.replace_if(path, LATE, first) is not None or store.replace_if(path, LATE, None) is not None:
        raise InvalidRequest(
            f"the object store wrote {path} though it was another than the condition of the write said: manifests rest "
            "on conditional writes (If-Match, If-None-Match); use a store, or a version of it, that has them"
        )
    store.delete(path)


def _written(store: ObjectStore, path: str, data: bytes, version: str | None) -> str:
    written = store.replace_if(path, data, version)
    if written is not None:
        return written
    # The answer to an earlier attempt of the client may have been lost.
    found = store.get(path)
    if found is None or found.data != data:
        raise Unavailable(f"{path} was changed while it was written")
    return found.version
