"""What people put on runs afterwards: tags, notes, and whether a run still counts."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import Connection, delete, exists, select, update

from modrack_registry.errors import UserError
from modrack_registry.store import names, schema
from modrack_registry.store.database import Database
from modrack_registry.store.recorder import run_folder
from modrack_registry.store.status import ALIVE, true_status
from modrack_registry.store.values import storable


def set_tags(database: Database, run: int, add: Iterable[str], remove: Iterable[str]) -> None:
    """Add tags to a run and take some away; a tag it has, or does not have, stays so. Raises UserError."""
    tag = schema.tag
    for text in add:
        if not text.strip():
            raise UserError("A tag needs at least one character.")
    with database.write() as connection:
        _known(connection, run)
        gone = [storable(text) for text in remove]
        if gone:
            connection.execute(delete(tag).where(tag.c.run == run, tag.c.text.in_(gone)))
        rows = [{"run": run, "text": storable(text)} for text in dict.fromkeys(add)]
        if rows:
            connection.execute(names.insert(connection, tag).on_conflict_do_nothing(), rows)


def set_note(database: Database, run: int, text: str | None) -> None:
    """Give a run a note in place of the one it has; None takes it away. Raises UserError."""
    with database.write() as connection:
        _known(connection, run)
        values = {"note": storable(text) if text else None}
        connection.execute(update(schema.run).where(schema.run.c.id == run).values(values))


def remove(database: Database, run: int) -> None:
    """Take a run out of all lists; `restore` brings it back until `collect`. Raises UserError for a living one."""
    with database.write() as connection:
        status = _known(connection, run)
        lease = connection.execute(select(schema.lease).where(schema.lease.c.run == run)).first()
        if true_status(status, lease) in ALIVE:
            raise UserError(f"Run {run} is {status}.", "Stop it first.")
        connection.execute(update(schema.run).where(schema.run.c.id == run).values(deleted=time.time()))


def restore(database: Database, run: int) -> None:
    """Bring a removed run back. Raises UserError where there is nothing to bring back."""
    with database.write() as connection:
        _known(connection, run)
        table = schema.run
        done = connection.execute(
            update(table).where(table.c.id == run, table.c.deleted.is_not(None)).values(deleted=None)
        )
        if not done.rowcount:
            raise UserError(f"Run {run} was not removed.", "`modrack runs list --removed` shows those that were.")


def removed(database: Database, before: float) -> list[tuple[int, str]]:
    """(number, folder) of the runs that were removed before `before`, seconds since 1970."""
    table = schema.run.c
    with database.read() as connection:
        if connection is None:
            return []
        rows = connection.execute(select(table.id, table.folder).where(table.deleted < before).order_by(table.id))
        return [(row.id, row.folder) for row in rows]


def collect(database: Database, home: Path, runs: list[tuple[int, str]]) -> None:
    """Delete removed runs for good: first their rows, in one transaction, then their folders."""
    if not runs:
        return
    table, used, detail = schema.run, schema.used.c, schema.detail.c
    with database.write() as connection:
        for number, _ in runs:
            # Somebody may have restored it since.
            connection.execute(delete(table).where(table.c.id == number, table.c.deleted.is_not(None)))
        kept = set(connection.execute(select(table.c.id).where(table.c.id.in_([run for run, _ in runs]))).scalars())
        blob, component = schema.blob, schema.component
        referred = exists().where((detail.packages == blob.c.sha256) | (detail.diff == blob.c.sha256))
        connection.execute(delete(blob).where(~referred))
        connection.execute(delete(component).where(~exists().where(used.component == component.c.id)))
    for number, folder in runs:
        if number not in kept and folder:
            shutil.rmtree(run_folder(home, folder), ignore_errors=True)


def _known(connection: Connection, run: int) -> str:
    status = connection.execute(select(schema.run.c.status).where(schema.run.c.id == run)).scalar()
    if status is None:
        raise UserError(f"There is no run {run}.", "`modrack runs list` shows them.")
    return str(status)
