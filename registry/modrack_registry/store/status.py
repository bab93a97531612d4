"""Whether a run that was last seen running still is: a lease, and proof where there can be one.

The holder's process is looked for on its own machine (boot id, process number and start time tell it from any other).
From elsewhere a run is lost when its lease has ended. `lost` is only ever read, never written: a run that renews its
lease is running again.
"""

from __future__ import annotations

import time
from typing import Any

from modrack_registry.store.process import Holder, lives

# The writer renews well before the end; a machine may stand still for a while.
LEASE_SECONDS = 90.0
RENEW_SECONDS = 15.0
ALIVE = ("queued", "running")
ENDED = ("finished", "failed", "interrupted")


def true_status(written: str, lease: Any | None, now: float | None = None) -> str:
    """The status of a run whose row says `written` and whose lease is a row of that table, or None."""
    if written not in ALIVE:
        return written
    if lease is None:
        return "lost"
    alive = lives(Holder(lease.host, lease.boot, lease.space, lease.pid, lease.born))
    if alive is not None:
        return written if alive else "lost"
    return written if lease.until > (time.time() if now is None else now) else "lost"
