"""Copies a whole database into an empty one, of the same engine or the other, and proves that it is the same.

Rows go in batches, in one transaction of the new database; the old one is only read, and at one moment. Each table's
rows are counted and hashed on both sides (`Sum`); where they differ nothing is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Double, Table, Text, collate, func, select

from modrack_registry.errors import UserError
from modrack_registry.store import schema
from modrack_registry.store.database import Database
from modrack_registry.store.status import ALIVE, true_status

BATCH = 10_000
# The numbers that the database gives, by table; for the others it gives none.
_NUMBERED = ("name", "run", "component", "series")
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Sum:
    """How many rows a table has, and the SHA-256 of all their values in the order of its key."""

    rows: int
    checksum: str


def move(source: Database, target: Database, report: Callable[[str], None] = lambda _: None) -> dict[str, Sum]:
    """Copy all of `source` into `target`; what was copied, by table. `report` is told each table's name.

    Raises UserError where there is nothing to copy, where a run is going on, where `target` holds anything already,
    and where the copy is not the same. `source` stays as it is.
    """
    with source.read() as old:
        if old is None:
            raise UserError(f"There is nothing in {source.place} yet.", "Set MODRACK_DB to the new place, and train.")
        _refuse_living(old)
        if source.place == target.place:
            raise UserError(f"{target.place} is where the runs are.", "Name another database.")
        with target.write(create=True) as new:
            _refuse_full(new, target)
            done: dict[str, Sum] = {}
            for table in schema.metadata.sorted_tables:
                if table is not schema.version:
                    report(table.name)
                    done[table.name] = _copy(old, new, table)
            _go_on_counting(old, new)
            for name, copied in done.items():
                arrived = _sum(new, schema.metadata.tables[name])
                if arrived != copied:
                    raise UserError(
                        f"{target.place}: {name} has {arrived.rows:,} rows of {copied.rows:,}, or other ones.",
                        "Nothing was kept. Is another program writing it?",
                    )
    return done


def _refuse_living(old: Connection) -> None:
    going = old.execute(select(schema.run.c.id, schema.run.c.status).where(schema.run.c.status.in_(ALIVE))).all()
    for run, status in going:
        lease = old.execute(select(schema.lease).where(schema.lease.c.run == run)).first()
        if true_status(status, lease) != "lost":
            raise UserError(f"Run {run} is {status}: what it records next would not be moved.", "Wait, or end it.")


def _refuse_full(new: Connection, target: Database) -> None:
    for table in schema.metadata.sorted_tables:
        if table is not schema.version and new.execute(select(table).limit(1)).first() is not None:
            raise UserError(f"{target.place} holds runs already.", "Name an empty database.")


def _rows(connection: Connection, table: Table) -> Iterator[Rows]:
    """All rows in the order of their key, in batches, never all of them in memory."""
    # A -0.0 becomes 0.0, as SQLite stores it; text sorts by its bytes everywhere.
    columns = [(column + 0.0).label(column.name) if _is_number(column) else column for column in table.columns]
    plain = connection.dialect.name == "sqlite"
    key = [
        column if plain or not isinstance(column.type, Text) else collate(column, "C") for column in table.primary_key
    ]
    found = connection.execution_options(yield_per=BATCH).execute(select(*columns).order_by(*key))
    for batch in found.partitions():
        yield [tuple(row) for row in batch]  # the text of a Row leaves out the middle of what is long


def _is_number(column: Column[Any]) -> bool:
    return isinstance(column.type, Double)


def _sum(connection: Connection, table: Table) -> Sum:
    return _take(_rows(connection, table), lambda _: None)


def _copy(old: Connection, new: Connection, table: Table) -> Sum:
    raw: Any = new.connection.driver_connection
    names = ", ".join(f'"{column.name}"' for column in table.columns)

    def to_sqlite(rows: Rows) -> None:
        marks = ", ".join("?" for _ in table.columns)
        raw.executemany(f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})', rows)

    def to_postgresql(rows: Rows) -> None:
        with raw.cursor() as cursor, cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN') as stream:
            for row in rows:
                stream.write_row(row)

    return _take(_rows(old, table), to_sqlite if new.dialect.name == "sqlite" else to_postgresql)


def _take(batches: Iterable[Rows], use: Callable[[Rows], None]) -> Sum:
    count, digest = 0, hashlib.sha256()
    for rows in batches:
        count += len(rows)
        digest.update("".join(f"{row!r}\n" for row in rows).encode("utf-8", "replace"))
        use(rows)
    return Sum(count, digest.hexdigest())


def _go_on_counting(old: Connection, new: Connection) -> None:
    """A run's number is never given twice, also after the newest one was deleted."""
    if old.dialect.name == "sqlite":
        last = old.exec_driver_sql("SELECT seq FROM sqlite_sequence WHERE name = 'run'").scalar()
    else:
        last = old.exec_driver_sql("SELECT last_value FROM run_id_seq WHERE is_called").scalar()
    if new.dialect.name == "sqlite":
        new.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = 'run'")
        if last is not None:
            new.exec_driver_sql("INSERT INTO sqlite_sequence (name, seq) VALUES ('run', ?)", (last,))
        return
    for name in _NUMBERED:
        table = schema.metadata.tables[name]
        highest = new.execute(select(func.max(table.c.id))).scalar()
        reached = max(highest or 0, (last or 0) if name == "run" else 0)
        if reached:
            sequence = func.pg_get_serial_sequence(name, "id")
            new.execute(select(func.setval(sequence, reached)))
