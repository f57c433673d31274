"""Memory that is free again, and that the allocator keeps."""

from __future__ import annotations

import ctypes
from contextlib import suppress


def give_back() -> None:
    """Return freed memory to the system, where the allocator of the C library can: glibc keeps it for later.

    What one unit of a large model had needed would else be added to what the next one needs in other sizes.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
