"""The C library's allocator, told to keep the memory that a training step will ask for again.

By default glibc gives large blocks back to the system at once and fetches them again zeroed in the next step: on
two cores that costs a convolutional network a fifth of its time.
"""

from __future__ import annotations

import ctypes
import sys

# malloc.h of glibc.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_GIGABYTE = 1 << 30


def keep_memory() -> bool:
    """Whether the allocator could be told; elsewhere than on glibc nothing is done."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    # The largest value that both take: they are C ints.
    return bool(mallopt(_M_MMAP_THRESHOLD, _GIGABYTE) and mallopt(_M_TRIM_THRESHOLD, 2 * _GIGABYTE - 1))


def give_back() -> bool:
    """Return to the system what was freed, as of a whole model of which a share is kept. Whether it could be done."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL("libc.so.6").malloc_trim(0))
    except (OSError, AttributeError):
        return False
