"""Whether the run of this process computes with kernels in C."""

from __future__ import annotations

import ctypes
import warnings
from functools import cache
from pathlib import Path

from modrack.native.build import NotBuilt, build

_used = False


def use(native: bool) -> None:
    """Let `library` give what it is asked for, or nothing."""
    global _used
    _used = native


def in_use() -> bool:
    """Whether `library` gives what it is asked for."""
    return _used


def library(source: Path, functions: dict[str, str]) -> ctypes.CDLL | None:
    """The compiled `source` with its `functions`, as `build` takes them; None where the run computes with torch alone.

    A source that does not compile is warned of once, and None too.
    """
    return _tried(source, tuple(functions.items())) if _used else None


@cache
def _tried(source: Path, functions: tuple[tuple[str, str], ...]) -> ctypes.CDLL | None:
    try:
        return build(source, functions)
    except NotBuilt as error:
        warnings.warn(f"{source.name}: {error}. torch computes in its place.", stacklevel=3)
        return None
