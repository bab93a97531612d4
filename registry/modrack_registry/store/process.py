"""Which process holds a run, and whether it still lives."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class Holder:
    """A process, told apart from every other one, also from one that got the same number later.

    `boot` names one start of one machine, `space` the process-id namespace in it, `born` the start of the process in
    clock ticks. Where the system does not tell (no /proc), they are None and nothing can be proved.
    """

    host: str
    boot: str | None
    space: str | None
    pid: int
    born: int | None


def this_process() -> Holder:
    """The holder that this process is."""
    pid = os.getpid()
    state = _state(pid)
    return Holder(socket.gethostname(), _boot(), _space(), pid, state[1] if state else None)


def lives(holder: Holder) -> bool | None:
    """Whether `holder` runs; None where that cannot be known from here."""
    if holder.boot is None or holder.born is None or (holder.boot, holder.space) != (_boot(), _space()):
        return None
    state = _state(holder.pid)
    if state is not None:
        # A killed process that its parent has not yet asked after still has a number.
        return state[0] not in "ZX" and state[1] == holder.born
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return None  # /proc hides other users' processes


@lru_cache(maxsize=1)
def _boot() -> str | None:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return None


@lru_cache(maxsize=1)
def _space() -> str | None:
    try:
        return os.readlink(_PROC / "self/ns/pid")
    except OSError:
        return None


def _state(pid: int) -> tuple[str, int] | None:
    """State letter and start of a process: fields 3 and 22 of proc(5)'s stat, whose field 2 may hold any character."""
    try:
        fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        return fields[0].decode("ascii"), int(fields[19])
    except (OSError, IndexError, ValueError):
        return None
