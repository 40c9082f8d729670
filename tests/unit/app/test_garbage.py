"""Garbage is looked for when the server has been loaded, and only among what is made from then on."""

from __future__ import annotations

import gc

from lodur.app import garbage


def test_what_was_loaded_is_not_looked_through_again() -> None:
    try:
        garbage.put_off()
        assert not gc.isenabled()
        loaded: list[list[int]] = [[] for _ in range(10)]
        garbage.begin()
        assert gc.isenabled()
        assert gc.get_freeze_count() >= len(loaded)
        assert not any(known is loaded for known in gc.get_objects())
    finally:
        gc.unfreeze()
        gc.enable()
