"""Writes one run while it trains."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from modrack_registry.errors import UserError
from modrack_registry.store import schema
from modrack_registry.store.database import Database
from modrack_registry.store.status import ENDED
from modrack_registry.store.values import storable, to_json
from modrack_registry.store.writer import Writer, release


class Recorder:
    """The record of a run that is going on: `id`, `folder`, and what can be said of it."""

    def __init__(self, database: Database, run: int, attempt: int, folder: Path, started: float) -> None:
        self.id, self.attempt, self.folder = run, attempt, folder
        self._database = database
        self._writer = Writer(database, run, attempt, folder, started)

    def log(self, step: int, values: Mapping[str, float], time_: float | None = None) -> None:
        """Keep `values` {metric: number} at `step`; microseconds, and never waits for the disk."""
        self._writer.log(step, dict(values), time.time() if time_ is None else time_)

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Keep that something happened: `kind` in a word, `data` JSON-able."""
        self._writer.event(kind, to_json(dict(data)), time.time())

    def set(self, **facts: Any) -> None:
        """Later facts of the run: plan, data, hardware, environment, extra."""
        values = {name: to_json(value) for name, value in facts.items()}
        with self._database.write() as connection:
            connection.execute(update(schema.detail).where(schema.detail.c.run == self.id).values(values))

    def flush(self) -> None:
        """Return when all that was logged is written."""
        self._writer.flush()

    def finish(
        self,
        status: str,
        *,
        reason: str | None = None,
        seconds: float | None = None,
        samples_per_second: float | None = None,
    ) -> None:
        """End the record as finished, failed or interrupted. Raises UserError where the database cannot be written."""
        if status not in ENDED:
            raise ValueError(f"a run ends as {', '.join(ENDED)}, not {status!r}")
        self._writer.close()
        now = time.time()
        reason = None if reason is None else storable(reason)
        with self._database.write() as connection:
            before = connection.execute(select(schema.run.c.seconds).where(schema.run.c.id == self.id)).scalar()
            connection.execute(
                update(schema.run)
                .where(schema.run.c.id == self.id)
                .values(
                    status=status,
                    ended=now,
                    reason=reason,
                    seconds=(before or 0.0) + (seconds or 0.0),
                    samples_per_second=samples_per_second,
                )
            )
            mine = (schema.attempt.c.run == self.id, schema.attempt.c.number == self.attempt)
            connection.execute(
                update(schema.attempt).where(*mine).values(status=status, ended=now, seconds=seconds, reason=reason)
            )
            release(connection, self.id)


def run_folder(home: Path, relative: str) -> Path:
    """The folder of a run, which never leads out of the home. Raises UserError."""
    folder = (home / relative).resolve()
    if not folder.is_relative_to(home.resolve()):
        raise UserError(f"The run's folder {relative!r} leads out of {home}.")
    return folder
