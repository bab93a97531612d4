"""Writes one run while it trains."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modrack_registry.errors import UserError
from modrack_registry.store.database import Database
from modrack_registry.store.entries import FACTS, Place
from modrack_registry.store.status import ENDED
from modrack_registry.store.values import storable, to_json
from modrack_registry.store.writer import Writer

_SETTABLE = (*FACTS, "params", "better")


class Recorder:
    """The record of a run that is going on: `id`, `folder`, and what can be said of it.

    Saying something never fails because of the database: what it does not take is kept beside the run. In a process
    forked from this one, and after `finish`, it raises RuntimeError.
    """

    def __init__(self, database: Database, run: int, attempt: int, folder: Path, started: float) -> None:
        self.id, self.attempt, self.folder = run, attempt, folder
        self._writer = Writer(database, Place(run, attempt, started), folder)
        self._events = 0

    def log(self, step: int, values: Mapping[str, float], time_: float | None = None) -> None:
        """Keep `values` {metric: number} at `step` (0 or more); microseconds, and never waits for the disk.

        A value already there for that step is replaced. What is not a float is made one: give no tensors, which
        would wait for their device. Raises TypeError or ValueError for what is no number.
        """
        kept = {name: value if type(value) is float else float(value) for name, value in values.items()}
        if not 0 <= step < 2**62:
            raise ValueError(f"step {step} is not from 0 to 2**62")
        self._writer.put(("points", int(step), time.time() if time_ is None else time_, kept))

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Keep that something happened: `kind` in a word, `data` JSON-able."""
        self._events += 1
        self._writer.put(("event", self._events, time.time(), storable(kind), to_json(dict(data))))

    def set(self, **facts: Any) -> None:
        """Later facts of the run: plan, data, hardware, environment, extra, params {path: value}, and
        better {metric: "higher" or "lower"}.
        """
        unknown = [name for name in facts if name not in _SETTABLE]
        if unknown:
            raise TypeError(f"set() takes {', '.join(_SETTABLE)}, not {', '.join(unknown)}")
        self._writer.put(("set", facts))

    def flush(self) -> None:
        """Return when all that was said is written, or kept beside the run."""
        self._writer.flush()

    def finish(
        self,
        status: str,
        *,
        reason: str | None = None,
        seconds: float | None = None,
        samples_per_second: float | None = None,
        ended: float | None = None,
    ) -> None:
        """End the record as finished, failed or interrupted; `seconds` are of this attempt, `ended` since 1970."""
        if status not in ENDED:
            raise ValueError(f"a run ends as {', '.join(ENDED)}, not {status!r}")
        end = {
            "status": status,
            "ended": time.time() if ended is None else ended,
            "reason": None if reason is None else storable(reason),
            "seconds": seconds,
            "samples_per_second": samples_per_second,
        }
        self._writer.close(last=("end", end))


def run_folder(home: Path, relative: str) -> Path:
    """The folder of a run, which never leads out of the home. Raises UserError."""
    folder = (home / relative).resolve()
    if not folder.is_relative_to(home.resolve()):
        raise UserError(f"The run's folder {relative!r} leads out of {home}.")
    return folder
