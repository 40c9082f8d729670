"""When Python looks for garbage: not while a program is being loaded, and never again among what that brought.

Loading a server makes a hundred thousand objects and hardly any garbage. Looking through them takes a tenth of the
start, and later, with the whole of Python standing still, some fifty milliseconds each time.
"""

from __future__ import annotations

import gc


def put_off() -> None:
    """Look for no garbage until `begin`."""
    gc.disable()


def begin() -> None:
    """Look for garbage from now on, among what is made from now on."""
    gc.freeze()
    gc.enable()
