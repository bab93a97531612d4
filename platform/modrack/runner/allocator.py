"""The C library's allocator, told to keep the memory that a training step will ask for again, in large pages.

By default glibc gives large blocks back to the system at once and fetches them again zeroed in the next step: on
two cores that costs a convolutional network a fifth of its time. And where memory lies in pages of 4 KiB all over the
machine, a step of BERT takes up to a tenth longer than in pages of 2 MiB (benchmarks/RESULTS.md).
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Any

# malloc.h and sys/mman.h of Linux and glibc.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_MADV_HUGEPAGE = 14
_GIGABYTE, _HUGE = 1 << 30, 2 << 20
_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def keep_memory() -> bool:
    """Whether the allocator could be told; elsewhere than on glibc nothing is done. Until `give_back` it keeps all."""
    libc = _libc()
    if libc is None:
        return False
    # The largest value for the first, a C int; -1 lets nothing be trimmed.
    kept = bool(libc.mallopt(_M_MMAP_THRESHOLD, _GIGABYTE) and libc.mallopt(_M_TRIM_THRESHOLD, -1))
    if kept:
        _ask_for_large_pages(libc)
    return kept


def give_back() -> bool:
    """Return to the system what was freed, as of a whole model of which a share is kept. Whether it could be done."""
    libc = _libc()
    return libc is not None and bool(libc.malloc_trim(0))


def _libc() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    try:
        libc: Any = ctypes.CDLL("libc.so.6")
        libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
        libc.free.argtypes = [ctypes.c_void_p]
        libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        return libc if libc.mallopt and libc.malloc_trim else None
    except (OSError, AttributeError):
        return None


def _ask_for_large_pages(libc: Any) -> None:
    """Where the system gives large pages to those who ask, ask for the heap, and for what it will grow into.

    Only addresses can be asked for that are the heap's already: it is made to hold a quarter of the machine's memory,
    of which nothing is taken before it is written to.
    """
    try:
        if "[madvise]" not in _PAGES.read_text("ascii"):
            return
        room = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4
        # Each below the size from which a block would be mapped by itself; where there is no more, it is none.
        blocks = [libc.malloc(_GIGABYTE - _HUGE) for _ in range(max(1, room // _GIGABYTE))]
        for block in blocks:
            libc.free(block)
        for line in Path("/proc/self/maps").read_text("utf-8", "replace").splitlines():
            if line.endswith("[heap]"):
                first, _, last = line.split()[0].partition("-")
                start, end = -(-int(first, 16) // _HUGE) * _HUGE, int(last, 16) // _HUGE * _HUGE
                if end > start:
                    libc.madvise(start, end - start, _MADV_HUGEPAGE)
    except (OSError, ValueError):
        return
