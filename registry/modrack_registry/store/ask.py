"""Questions in SQL that can read and nothing else."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from modrack_registry.errors import UserError
from modrack_registry.store.database import Database
from modrack_registry.store.views import VIEWS, ensure_views

# What SQLite asks before it compiles a statement; everything else is refused.
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
# Functions that reach beyond the database.
_FORBIDDEN = frozenset({"load_extension", "writefile", "readfile", "edit", "fts3_tokenizer"})
_SLICE = 10_000


@dataclass(frozen=True)
class Answer:
    """Names of columns, and rows; `more` says that there were further rows than asked for."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    more: bool = False


def ask(database: Database, sql: str, *, seconds: float = 30.0, most: int | None = None) -> Answer:
    """The answer to one SELECT over the tables and the views v_runs, v_params, v_metrics, v_points.

    Raises UserError for SQL that is wrong, that would change anything, or that takes longer than `seconds`.
    """
    if not sql.strip():
        raise UserError("There is no SQL.", 'As in: modrack runs sql "select model, max(test_accuracy) from v_runs"')
    reading = _sqlite(database, seconds) if database.sqlite else _postgresql(database, seconds)
    with reading as connection:
        if connection is None:
            raise UserError(f"There is no run yet in {database.place}.", "modrack train makes one.")
        try:
            result = connection.exec_driver_sql(sql) if database.sqlite else connection.execute(text(_literal(sql)))
            if not result.returns_rows:
                raise UserError("That is no question.", _HINT)
            rows = result.fetchmany(most + 1) if most is not None else result.fetchall()
        except (DBAPIError, sqlite3.Error) as error:
            raise _explained(error, seconds) from None
        found = [tuple(row) for row in rows]
        cut = most is not None and len(found) > most
        return Answer(list(result.keys()), found[:most] if cut else found, cut)


@contextmanager
def _sqlite(database: Database, seconds: float) -> Iterator[Connection | None]:
    with database.read() as connection:
        if connection is None:
            yield None
            return
        ensure_views(connection)
        raw: Any = connection.connection.driver_connection
        until = time.monotonic() + seconds
        raw.set_authorizer(_authorise)
        raw.set_progress_handler(lambda: time.monotonic() > until, _SLICE)
        try:
            yield connection
        finally:
            raw.set_progress_handler(None, 0)
            raw.set_authorizer(None)


@contextmanager
def _postgresql(database: Database, seconds: float) -> Iterator[Connection | None]:
    with database.read() as connection:
        if connection is None:
            yield None
            return
        ensure_views(connection)
        # From here on: a temporary view counts as a change.
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")
        yield connection


def _authorise(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _FORBIDDEN:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY


def _literal(sql: str) -> str:
    # A colon would begin a parameter; `::` is a cast, which SQLAlchemy leaves alone.
    import re

    return re.sub(r"(?<!:):(?![:])", r"\\:", sql)


_HINT = f"Only SELECT is read here: {', '.join(VIEWS)} and the tables; `modrack runs sql` without SQL lists them."


def _explained(error: Exception, seconds: float) -> UserError:
    said = str(getattr(error, "orig", error)).strip().splitlines()[0].rstrip(".")
    low = said.lower()
    if "interrupted" in low or "statement timeout" in low:
        return UserError(f"The SQL took longer than {seconds:g} s.", "Ask for less, or give it time with --timeout.")
    if "not authorized" in low or "read-only transaction" in low or "prohibited" in low:
        return UserError(f"That would change something: {said}.", _HINT)
    return UserError(f"SQL: {said}.", _HINT if "no such table" in low or "does not exist" in low else None)
