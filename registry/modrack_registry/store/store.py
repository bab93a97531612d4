"""A home of runs: a database and a folder a run."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select, update

from modrack_registry.errors import UserError
from modrack_registry.store import schema
from modrack_registry.store.database import Database
from modrack_registry.store.files import make_private
from modrack_registry.store.process import this_process
from modrack_registry.store.query import RunQuery, read_runs
from modrack_registry.store.recorder import Recorder
from modrack_registry.store.run import Run
from modrack_registry.store.start import RunStart
from modrack_registry.store.status import LEASE_SECONDS
from modrack_registry.store.values import pack, storable, to_blob, to_json
from modrack_registry.store.writer import inserter, name_id

HOME = "modrack-runs"


class Store:
    """Starts runs and finds them again. Nothing is made before the first run starts."""

    def __init__(self, home: Path, url: str | None = None) -> None:
        self.home = home
        self.database = Database(url or f"sqlite:///{home / 'runs.db'}")

    def start(self, start: RunStart) -> Recorder:
        """A new run, with its number and folder. Raises UserError where the home cannot be written."""
        make_private(self.home)
        now = time.time()
        with self.database.write() as connection:
            run = self._insert(connection, start, now)
            folder = self.home / str(run)
            connection.execute(update(schema.run).where(schema.run.c.id == run).values(folder=folder.name))
            _hold(connection, run, 1, now, start.command)
            # Inside the transaction: a run without a folder is never seen.
            make_private(folder)
        return Recorder(self.database, run, 1, folder.resolve(), now)

    def attach(self, run: int) -> Recorder:
        """Go on with a run: the same number and folder, one attempt more. Raises UserError for an unknown one."""
        past = self.get(run)
        # Read before the transaction: one thread has one connection.
        command, now = past.command, time.time()
        with self.database.write() as connection:
            values = {"status": "running", "attempt": past.attempt + 1, "ended": None, "reason": None}
            connection.execute(update(schema.run).where(schema.run.c.id == run).values(values))
            _hold(connection, run, past.attempt + 1, now, command)
        past.folder.mkdir(exist_ok=True)
        return Recorder(self.database, run, past.attempt + 1, past.folder, past.started.timestamp())

    def get(self, run: int) -> Run:
        """The run with that number. Raises UserError where there is none."""
        found = read_runs(self.database, self.home, select(schema.run).where(schema.run.c.id == run))
        if not found:
            raise UserError(f"There is no run {run} in {self.database.place}.", "`modrack runs list` shows them.")
        return found[0]

    def runs(self, filter: str | None = None) -> RunQuery:
        """All runs, the newest first. Raises UserError for a filter, which the store does not read yet."""
        if filter:
            raise UserError(f"runs cannot be filtered yet: {filter!r}.", "Leave the filter out.")
        return RunQuery(self.database, self.home)

    def _insert(self, connection: Connection, start: RunStart, now: float) -> int:
        git = start.git or {}
        made = connection.execute(
            insert(schema.run).values(
                name=_text(start.name),
                status="running",
                model=start.chosen("model"),
                dataset=start.chosen("dataset"),
                optimizer=start.chosen("optimizer"),
                task=start.chosen("task"),
                started=now,
                seed=start.seed,
                attempt=1,
                parent=start.parent,
                folder="",
                commit=git.get("commit"),
                dirty=int(bool(git.get("dirty"))) if git else None,
                python=platform.python_version(),
                host=platform.node(),
            )
        )
        run = int(made.inserted_primary_key[0])  # type: ignore[index]
        connection.execute(
            insert(schema.detail).values(
                run=run,
                config=to_json(start.config),
                command=to_json(start.command),
                plan=to_json(start.plan),
                hardware=to_json(start.hardware),
                data=to_json(start.data),
                remote=git.get("remote"),
                packages=_blob(connection, to_json(start.packages)),
                diff=_blob(connection, git["diff"]) if git.get("diff") else None,
            )
        )
        rows = []
        for path, value in start.params.items():
            kind, number, text = pack(value)
            rows.append({"run": run, "name": name_id(connection, path), "type": kind, "number": number, "text": text})
        if rows:
            connection.execute(insert(schema.param), rows)
        for position, component in enumerate(start.components):
            used = {"run": run, "position": position, "component": _component(connection, component)}
            connection.execute(insert(schema.used).values(used))
        for tag in dict.fromkeys(start.tags):
            connection.execute(insert(schema.tag).values(run=run, text=storable(tag)))
        return run


def open_store(home: Path | None = None, url: str | None = None) -> Store:
    """The runs kept in `home` (else MODRACK_HOME, else ./modrack-runs), in the database `url` (else MODRACK_DB)."""
    place = home or Path(os.environ.get("MODRACK_HOME") or HOME)
    return Store(place.expanduser().absolute(), url or os.environ.get("MODRACK_DB") or None)


def _hold(connection: Connection, run: int, attempt: int, now: float, command: list[str]) -> None:
    """Note that this process carries the run, as an attempt and as its lease."""
    me = this_process()
    connection.execute(
        insert(schema.attempt).values(
            run=run, number=attempt, started=now, status="running", host=me.host, pid=me.pid, command=to_json(command)
        )
    )
    lease = asdict(me) | {"until": now + LEASE_SECONDS}
    made = inserter(connection)(schema.lease).values(run=run, **lease)
    connection.execute(made.on_conflict_do_update(index_elements=["run"], set_=lease))


def _component(connection: Connection, facts: dict[str, Any]) -> int:
    table = schema.component
    row = {
        name: storable(str(facts.get(name) or "")) for name in ("kind", "name", "full", "plugin", "version", "digest")
    }
    query = select(table.c.id).where(*(table.c[name] == value for name, value in row.items()))
    found = connection.execute(query).scalar()
    if found is None:
        connection.execute(inserter(connection)(table).values(**row).on_conflict_do_nothing())
        found = connection.execute(query).scalar_one()
    return int(found)


def _blob(connection: Connection, text: str) -> str:
    row = to_blob(text)
    connection.execute(inserter(connection)(schema.blob).values(**row).on_conflict_do_nothing())
    return str(row["sha256"])


def _text(value: str | None) -> str | None:
    return None if value is None else storable(value)
