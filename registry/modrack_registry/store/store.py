"""A home of runs: a database and a folder a run."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from modrack_registry.errors import UserError
from modrack_registry.store import marks, names, schema, spill
from modrack_registry.store.database import Database
from modrack_registry.store.entries import Place, write_params
from modrack_registry.store.files import make_private
from modrack_registry.store.process import this_process
from modrack_registry.store.query import RunQuery
from modrack_registry.store.reading import read_runs
from modrack_registry.store.recorder import Recorder
from modrack_registry.store.references import resolve
from modrack_registry.store.run import Run
from modrack_registry.store.start import RunStart
from modrack_registry.store.status import ALIVE, LEASE_SECONDS, true_status
from modrack_registry.store.values import storable, to_blob, to_json
from modrack_registry.store.writer import replay

HOME = "modrack-runs"


class Store:
    """Starts runs and finds them again. Nothing is made before the first run starts."""

    def __init__(self, home: Path, url: str | None = None) -> None:
        self.home = home
        self.database = Database(url or f"sqlite:///{home / 'runs.db'}")

    def start(self, start: RunStart, *, queued: bool = False) -> Recorder:
        """A new run, with its number and folder; a `queued` one waits for `turn`.

        Raises UserError where the home cannot be written.
        """
        make_private(self.home)
        now = time.time()
        with self.database.write(create=True) as connection:
            status = "queued" if queued else "running"
            run = self._insert(connection, start, now, status)
            folder = self.home / str(run)
            _hold(connection, run, 1, now, start.command, status)
            # Inside the transaction: a run without a folder is never seen.
            make_private(folder)
        return Recorder(self.database, run, 1, folder.resolve(), start.started or now)

    def attach(self, run: int) -> Recorder:
        """Go on with a run: the same number and folder, one attempt more.

        Raises UserError for an unknown run, and for one that a living process carries.
        """
        past = self.get(run)
        now = time.time()
        table = schema.run
        with self.database.write() as connection:
            # Asked again inside the lock: two may have seen the same lost run.
            row = connection.execute(select(table.c.status, table.c.attempt).where(table.c.id == run)).one()
            lease = connection.execute(select(schema.lease).where(schema.lease.c.run == run)).first()
            if lease is not None and true_status(row.status, lease) != "lost":
                raise UserError(
                    f"Run {run} is {row.status}, in process {lease.pid} on {lease.host}.", "Wait, or end it."
                )
            if row.status in ALIVE:
                _close_lost(connection, run, row.attempt, lease)
            attempt = row.attempt + 1
            values = {"status": "running", "attempt": attempt, "ended": None, "reason": None}
            connection.execute(update(table).where(table.c.id == run).values(values))
            _hold(connection, run, attempt, now, sys.argv)
        make_private(past.folder)
        return Recorder(self.database, run, attempt, past.folder, past.started.timestamp())

    def turn(self, run: int) -> bool:
        """Whether it is a queued run's turn, which makes it running: nothing runs on this host, nor waits longer."""
        table, lease = schema.run.c, schema.lease
        with self.database.write() as connection:
            query = (
                select(table.id, table.status, *lease.c)
                .join_from(schema.run, lease, table.id == lease.c.run)
                .where(table.status.in_(ALIVE), lease.c.host == this_process().host, table.id != run)
            )
            for row in connection.execute(query):
                if (row.status == "running" or row.id < run) and true_status(row.status, row) != "lost":
                    return False
            running = {"status": "running"}
            connection.execute(update(schema.run).where(table.id == run).values(running))
            connection.execute(update(schema.attempt).where(schema.attempt.c.run == run).values(running))
            return True

    def recover(self) -> dict[int, int]:
        """Bring in what runs kept beside them while the database failed: {run: entries}. Living runs do it alone.

        Raises UserError where the database still fails; nothing is lost then.
        """
        done: dict[int, int] = {}
        for folder in sorted(self.home.glob("*/")):
            if folder.name.isdigit() and spill.waits(folder):
                chosen = select(schema.run).where(schema.run.c.id == int(folder.name))
                for run in read_runs(self.database, self.home, chosen):  # none: another database's
                    if run.status not in ALIVE or spill.ended(folder, run.attempt):
                        place = Place(run.id, run.attempt, run.started.timestamp())
                        done[run.id] = replay(self.database, place, folder)
        return done

    def get(self, run: int) -> Run:
        """The run with that number. Raises UserError where there is none."""
        found = read_runs(self.database, self.home, select(schema.run).where(schema.run.c.id == run))
        if not found:
            raise UserError(f"There is no run {run} in {self.database.place}.", "`modrack runs list` shows them.")
        return found[0]

    def runs(self, filter: str | None = None) -> RunQuery:
        """Runs that fit `filter` (all without one), the newest first. Raises UserError for what is no filter.

        The language is told in `filter`'s docstring: "model=cnn lr<0.01 test.accuracy>0.9 started>2d -tag:debug".
        """
        return RunQuery(self.database, self.home, filter or "")

    def resolve(self, reference: str) -> int:
        """The number of the run that `12`, `@last`, `@last:FILTER` or `@best:METRIC` names. Raises UserError."""
        return resolve(self, reference)

    def find(self, reference: str) -> Run:
        """The run that `12`, `@last`, `@last:FILTER` or `@best:METRIC` names. Raises UserError."""
        return self.get(self.resolve(reference))

    def removed(self) -> list[Run]:
        """The runs that were removed and not yet deleted for good, the newest first."""
        table = schema.run
        return read_runs(
            self.database, self.home, select(table).where(table.c.deleted.is_not(None)).order_by(table.c.id.desc())
        )

    def better(self) -> dict[str, str]:
        """The good direction, higher or lower, of each metric that has one."""
        table = schema.name.c
        with self.database.read() as connection:
            if connection is None:
                return {}
            rows = connection.execute(select(table.text, table.better).where(table.better.is_not(None)))
            return {row.text: row.better for row in rows}

    def tag(self, run: int, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """Add tags to a run, and take some away. Raises UserError for an unknown run."""
        marks.set_tags(self.database, run, add, remove)

    def note(self, run: int, text: str | None) -> None:
        """Give a run a note in place of the one it has. Raises UserError for an unknown run."""
        marks.set_note(self.database, run, text)

    def remove(self, run: int) -> None:
        """Take a run out of all lists; `restore` brings it back. Raises UserError for a running or unknown one."""
        marks.remove(self.database, run)

    def restore(self, run: int) -> None:
        """Bring a removed run back. Raises UserError for one that was not removed."""
        marks.restore(self.database, run)

    def collect(self, older_than: float = 0.0, *, only_count: bool = False) -> list[int]:
        """Delete for good the runs that were removed more than `older_than` seconds ago, with their folders.

        Gives their numbers; with `only_count` nothing is deleted.
        """
        found = marks.removed(self.database, time.time() - older_than)
        if not only_count:
            marks.collect(self.database, self.home, found)
        return [run for run, _ in found]

    def _insert(self, connection: Connection, start: RunStart, now: float, status: str) -> int:
        git = start.git or {}
        made = connection.execute(
            insert(schema.run).values(
                name=_text(start.name),
                status=status,
                model=start.chosen("model"),
                dataset=start.chosen("dataset"),
                optimizer=start.chosen("optimizer"),
                task=start.chosen("task"),
                started=start.started or now,
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
        run = self._settle(connection, int(made.inserted_primary_key[0]))  # type: ignore[index]
        connection.execute(
            insert(schema.detail).values(
                run=run,
                config=to_json(start.config),
                command=to_json(start.command),
                plan=to_json(start.plan),
                hardware=to_json(start.hardware),
                data=to_json(start.data),
                environment=to_json(start.environment),
                remote=git.get("remote"),
                packages=_blob(connection, to_json(start.packages)),
                diff=_blob(connection, git["diff"]) if git.get("diff") else None,
            )
        )
        write_params(connection, run, start.params)
        for position, component in enumerate(start.components):
            used = {"run": run, "position": position, "component": _component(connection, component)}
            connection.execute(insert(schema.used).values(used))
        for tag in dict.fromkeys(start.tags):
            connection.execute(insert(schema.tag).values(run=run, text=storable(tag)))
        return run

    def _settle(self, connection: Connection, number: int) -> int:
        """Give the new run `number` its folder; another number where that is taken, as after a database was lost."""
        table, run = schema.run, number
        if self.home.joinpath(str(number)).exists():
            run = 1 + max(int(each.name) for each in self.home.iterdir() if each.name.isascii() and each.name.isdigit())
            if not self.database.sqlite:
                sequence = func.pg_get_serial_sequence(table.name, "id")
                connection.execute(select(func.setval(sequence, run)))
        connection.execute(update(table).where(table.c.id == number).values(id=run, folder=str(run)))
        return run


def open_store(home: Path | None = None, url: str | None = None) -> Store:
    """The runs kept in `home` (else MODRACK_HOME, else ./modrack-runs), in the database `url` (else MODRACK_DB)."""
    place = home or Path(os.environ.get("MODRACK_HOME") or HOME)
    return Store(place.expanduser().absolute(), url or os.environ.get("MODRACK_DB") or None)


def _hold(
    connection: Connection, run: int, attempt: int, now: float, command: list[str], status: str = "running"
) -> None:
    """Note that this process carries the run, as an attempt and as its lease."""
    me = this_process()
    connection.execute(
        insert(schema.attempt).values(
            run=run, number=attempt, started=now, status=status, host=me.host, pid=me.pid, command=to_json(command)
        )
    )
    lease = asdict(me) | {"until": now + LEASE_SECONDS}
    made = names.insert(connection, schema.lease).values(run=run, **lease)
    connection.execute(made.on_conflict_do_update(index_elements=["run"], set_=lease))


def _close_lost(connection: Connection, run: int, attempt: int, lease: Any | None) -> None:
    """Note the end of an attempt that could not note it itself: about when it last renewed its lease."""
    table = schema.attempt
    ended = {"status": "lost", "ended": None if lease is None else lease.until - LEASE_SECONDS}
    connection.execute(update(table).where(table.c.run == run, table.c.number == attempt).values(ended))


def _component(connection: Connection, facts: dict[str, Any]) -> int:
    table = schema.component
    row = {
        name: storable(str(facts.get(name) or "")) for name in ("kind", "name", "full", "plugin", "version", "digest")
    }
    query = select(table.c.id).where(*(table.c[name] == value for name, value in row.items()))
    found = connection.execute(query).scalar()
    if found is None:
        connection.execute(names.insert(connection, table).values(**row).on_conflict_do_nothing())
        found = connection.execute(query).scalar_one()
    return int(found)


def _blob(connection: Connection, text: str) -> str:
    row = to_blob(text)
    connection.execute(names.insert(connection, schema.blob).values(**row).on_conflict_do_nothing())
    return str(row["sha256"])


def _text(value: str | None) -> str | None:
    return None if value is None else storable(value)
