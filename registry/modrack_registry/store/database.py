"""One connection pool to SQLite or PostgreSQL, with the few rules that keep it whole."""

from __future__ import annotations

import atexit
import os
import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from modrack_registry.errors import UserError
from modrack_registry.store import schema
from modrack_registry.store.files import check_file, check_local, connect, create_private, make_private
from modrack_registry.store.migrations import REVISIONS, Revisions
from modrack_registry.store.trouble import DatabaseTrouble, explain

# Long enough for many processes that all want to write; a reader seldom waits at all.
BUSY_SECONDS = 60.0
# The rare corruption by a WAL reset is fixed from here on. https://www.sqlite.org/wal.html#the_wal_reset_bug
_WAL_FIXED = ((3, 51, 3), (3, 50, 7), (3, 44, 6))

_URL_HINT = "It is sqlite:////a/file.db or postgresql+psycopg://user@host/database."

_open: weakref.WeakSet[Database] = weakref.WeakSet()


class Database:
    """A database by URL. Nothing is opened before it is asked, and nothing is made before it is written."""

    def __init__(
        self, url: str, busy: float = BUSY_SECONDS, revisions: Revisions = REVISIONS, option: str = "MODRACK_DB"
    ) -> None:
        try:
            self.url = make_url(url)
            self.sqlite = self.url.get_backend_name() == "sqlite"
        except (ArgumentError, ValueError) as error:
            raise UserError(f"{option}: {error}", _URL_HINT) from None
        if not self.sqlite and self.url.get_backend_name() != "postgresql":
            raise UserError(f"{option}: {self.url.get_backend_name()!r} is not supported.", _URL_HINT)
        self.path = Path(self.url.database or "").absolute() if self.sqlite else None
        self.busy, self.revisions = busy, revisions
        self._engine: Engine | None = None
        self._known: tuple[int, int] | None = None  # device and inode of the file that was found good
        _open.add(self)

    @property
    def place(self) -> str:
        """What to call it in a message: a path, or a URL without its password."""
        return str(self.path) if self.path else self.url.render_as_string(hide_password=True)

    @property
    def url_shown(self) -> str:
        """What MODRACK_DB would be for it, without the password."""
        return f"sqlite:///{self.path}" if self.path else self.place

    @property
    def schema(self) -> str | None:
        """The schema that is there, whatever this modrack wants; None where there is no database. Raises UserError."""
        with self.explained():
            return self._version() if self.path is None or check_file(self.path, self.busy) else None

    @contextmanager
    def read(self) -> Iterator[Connection | None]:
        """A consistent view; None where there is no database yet. Raises UserError for one that cannot be read."""
        with self.explained():
            if not self._prepare(create=False):
                yield None
                return
            with self.engine.connect() as plain:
                # PostgreSQL would show each statement what was committed meanwhile; SQLite never does.
                connection = plain if self.sqlite else plain.execution_options(isolation_level="REPEATABLE READ")
                with connection.begin():
                    yield connection

    @contextmanager
    def write(self, create: bool = False) -> Iterator[Connection]:
        """A transaction that holds the write lock from its start. Raises UserError where there is no database.

        `create` makes one instead. A run that goes on does not want that: its rows are not in a new one.
        """
        with self.explained():
            if not self._prepare(create):
                raise DatabaseTrouble(
                    f"{self.place} is gone.", "Put it back; what runs recorded meanwhile lies beside them."
                )
            with self.engine.connect() as plain:
                connection = plain.execution_options(modrack_write=True)
                with connection.begin():
                    yield connection

    @property
    def engine(self) -> Engine:
        """The pool of this process."""
        if self._engine is None:
            self._engine = self._open_sqlite() if self.sqlite else self._open_postgresql()
        return self._engine

    def close(self) -> None:
        """Close idle connections. The next use opens new ones."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def drop(self) -> None:
        """Forget the connections without closing them: in a forked child they are the parent's."""
        engine, self._engine = self._engine, None
        if engine is not None:
            import ctypes

            # Closing would roll the parent's transaction back; so would freeing, when this process ends.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(engine))

    def _prepare(self, create: bool) -> bool:
        """See that there is a database of the right version; False if there is none and none is to be made."""
        here = self._identity()
        if here is not None and here == self._known:
            return True
        if self._known is not None:
            self.close()  # another file lies there now: a backup was put back
        if self.path is not None and not check_file(self.path, self.busy):
            if not create:
                return False
            check_local(self.path)
            make_private(self.path.parent)
            create_private(self.path)
        version = self._version()
        if version is None:
            if not create:
                return False
            self._create()
        elif version != self.revisions.head:
            self._migrate(version)
        self._known = self._identity()
        return True

    def _identity(self) -> tuple[int, int] | None:
        if self.path is None:
            return 0, 0
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _version(self) -> str | None:
        """The schema in the file, or None where there is none."""
        with self.engine.connect() as connection:
            table = (
                "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'modrack_version'"
                if self.sqlite
                else "SELECT 1 WHERE to_regclass('modrack_version') IS NOT NULL"
            )
            if connection.exec_driver_sql(table).first() is None:
                return None
            row = connection.exec_driver_sql("SELECT version_num FROM modrack_version").first()
            return str(row[0]) if row else None

    def _create(self) -> None:
        if self.path is not None and wal_is_safe():
            with closing(sqlite3.connect(self.path, timeout=self.busy)) as raw:
                raw.execute("PRAGMA journal_mode = WAL")  # kept in the file; not possible inside a transaction
        with self.engine.connect() as plain:
            connection = plain.execution_options(modrack_write=True)
            with connection.begin():
                if not self.sqlite:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": schema.APPLICATION_ID})
                    self._refuse_others(connection)
                schema.metadata.create_all(connection)
                if connection.execute(schema.version.select()).first() is None:
                    connection.execute(schema.version.insert().values(version_num=schema.SCHEMA_VERSION))
                if self.sqlite:
                    connection.exec_driver_sql(f"PRAGMA application_id = {schema.APPLICATION_ID}")

    def _refuse_others(self, connection: Connection) -> None:
        """A file says whose it is; on a server it is told by the tables."""
        if self._version() is None:
            there = set(
                connection.exec_driver_sql(
                    "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
                ).scalars()
            )
            if clash := sorted(there & set(schema.metadata.tables)):
                raise UserError(
                    f"{self.place} holds tables of another program: {', '.join(clash)}.",
                    "Use a database, or a schema in it, of its own: createdb modrack",
                )

    def _migrate(self, version: str) -> None:
        """Bring an older file to the schema of this modrack. Raises UserError for a newer one, and on PostgreSQL."""
        head = self.revisions.head
        if version > head:
            raise UserError(
                f"{self.place} was written by a newer modrack (schema {version}; this one knows {head}).",
                "Update modrack.",
            )
        if self.path is None:
            raise UserError(
                f"{self.place} has schema {version}; this modrack needs {head}.",
                "Make a backup (pg_dump), end what writes it, then: modrack db upgrade",
            )
        from modrack_registry.store.migrate import upgrade

        try:
            upgrade(self)
        except DatabaseTrouble as error:
            if "read-only" not in error.message:
                raise
            raise UserError(
                f"{self.path} has schema {version}; this modrack needs {head}, and may not write it.",
                "Ask its owner for `modrack db upgrade`, or copy it to a home of your own.",
            ) from None

    def _open_sqlite(self) -> Engine:
        path, busy = self.path or Path(), self.busy
        engine = create_engine("sqlite://", creator=lambda: connect(path, busy))
        event.listen(engine, "connect", _set_pragmas)
        event.listen(engine, "begin", _begin)
        return engine

    def _open_postgresql(self) -> Engine:
        url = self.url.set(drivername="postgresql+psycopg") if "+" not in self.url.drivername else self.url
        try:
            return create_engine(url, pool_pre_ping=True)
        except (ModuleNotFoundError, NoSuchModuleError) as error:
            raise UserError(
                f"PostgreSQL needs the package {getattr(error, 'name', None) or error}.",
                "pip install 'modrack[postgresql]'",
            ) from None

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn the driver's errors into ones that a person can read."""
        try:
            yield
        except (DBAPIError, sqlite3.Error) as error:
            raise explain(error, self.place) from error


def wal_is_safe(here: tuple[int, ...] = sqlite3.sqlite_version_info) -> bool:
    """Whether this SQLite library has the fix; without it the rollback journal is used."""
    return here >= _WAL_FIXED[0] or any(here[:2] == fixed[:2] and here >= fixed for fixed in _WAL_FIXED)


def _set_pragmas(connection: Any, _: Any) -> None:
    for pragma in ("foreign_keys = ON", "mmap_size = 0", "trusted_schema = OFF"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    # A deferred transaction that wants to write later is refused at once when another one wrote in between.
    writes = connection.get_execution_options().get("modrack_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _forked() -> None:
    for database in list(_open):
        database.drop()


def _end() -> None:
    for database in list(_open):
        database.close()


# Called after what later imports register: the writers have written by then.
atexit.register(_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
