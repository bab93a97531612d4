"""Brings a database of an older schema to this one: a lock, a second look, a backup, one transaction.

Only imported where a database is older; alembic is loaded then and not before.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, text

from modrack_registry.errors import UserError
from modrack_registry.store import schema
from modrack_registry.store.backup import back_up
from modrack_registry.store.database import Database
from modrack_registry.store.views import drop_views, store_views

# Another process may be at it already, with a large file.
WAIT_SECONDS = 900.0


@dataclass(frozen=True)
class Upgrade:
    """What was done: the schema before and after, and where the file as it was is kept (SQLite)."""

    before: str
    after: str
    backup: Path | None


def upgrade(database: Database) -> Upgrade | None:
    """Bring `database` to the head of its revisions; None where it is there already.

    A process that ends in the middle leaves the database as it was. Raises UserError, and what a revision raises.
    """
    head = database.revisions.head
    with database.explained(), _locked(database) as connection:
        before = _version(connection)  # another process may have done it while this one waited
        if before == head:
            return None
        backup = _back_up(database, before)
        try:
            _change(connection, database, before)
        except BaseException:
            if backup is not None:
                backup.unlink()  # of a file that stays as it is
            raise
    database.close()
    if backup is not None:
        logging.getLogger("modrack").warning(
            "%s was brought from schema %s to %s; as it was it is kept in %s.", database.place, before, head, backup
        )
    return Upgrade(before, head, backup)


def _change(connection: Connection, database: Database, before: str) -> None:
    # Views are in the way of a table that is renamed; they are a function of the tables, so made anew.
    had = drop_views(connection)
    _run(connection, database, before)
    connection.execute(schema.version.update().values(version_num=database.revisions.head))
    if had:
        store_views(connection)
    if database.sqlite and (wrong := connection.exec_driver_sql("PRAGMA foreign_key_check").first()):
        raise UserError(
            f"{database.place} was not upgraded: {wrong[0]} refers to rows of {wrong[2]} that are not there.",
            "`modrack db check` says more; a backup in its place is the way out.",
        )


@contextmanager
def _locked(database: Database) -> Iterator[Connection]:
    """A transaction that nobody else writes beside, without the rules for references while it lasts."""
    with database.engine.connect() as plain:
        if database.sqlite:
            raw = plain.connection.driver_connection
            assert isinstance(raw, sqlite3.Connection)
            plain.detach()  # it does not go back to the others with its rules off
            raw.execute("PRAGMA foreign_keys = OFF")  # does nothing inside a transaction
            raw.execute(f"PRAGMA busy_timeout = {round(WAIT_SECONDS * 1000)}")
        connection = plain.execution_options(modrack_write=True)
        with connection.begin():
            if not database.sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": schema.APPLICATION_ID})
            yield connection


def _version(connection: Connection) -> str:
    return str(connection.execute(schema.version.select()).scalar_one())


def _back_up(database: Database, version: str) -> Path | None:
    """The file as it is, beside it; nobody changes it, for the lock is ours."""
    if database.path is None:
        return None
    stem = f"{database.path.name}.backup-{version}-"
    for left in database.path.parent.glob(f"{stem}*.part*"):
        left.unlink()  # of a process that was killed
    name = f"{stem}{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}Z"
    target, count = database.path.with_name(name), 1
    while target.exists():
        count += 1
        target = database.path.with_name(f"{name}-{count}")
    back_up(database, target)
    return target


def _run(connection: Connection, database: Database, version: str) -> None:
    from alembic.migration import MigrationContext
    from alembic.operations import Operations
    from alembic.script import ScriptDirectory
    from alembic.script.revision import RevisionError
    from alembic.util import CommandError

    folders = [str(folder) for folder in database.revisions.folders]
    scripts = ScriptDirectory(folders[0], version_locations=folders)
    try:
        wanted = list(scripts.iterate_revisions(database.revisions.head, version))
    except (CommandError, RevisionError):
        raise UserError(
            f"{database.place} has schema {version}, which this modrack does not know.",
            "Another version of modrack wrote it: use that one.",
        ) from None
    with Operations.context(MigrationContext.configure(connection)):
        for script in reversed(wanted):
            script.module.upgrade()
