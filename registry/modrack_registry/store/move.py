"""Copies a whole database into an empty one, of the same engine or the other, and proves that it is the same.

Rows go in batches, in one transaction of the new database; the old one is only read, and at one moment. Each table's
rows are counted and summed up on both sides (`Sum`); where they differ nothing is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Double, Float, Table, func, select

from modrack_registry.errors import UserError
from modrack_registry.store import schema
from modrack_registry.store.database import Database
from modrack_registry.store.status import ALIVE, true_status

BATCH = 10_000
# The numbers that the database gives, by table; for the others it gives none.
_NUMBERED = ("name", "run", "component", "series")
Row = Sequence[Any]


@dataclass
class Sum:
    """A count and a checksum of rows that do not depend on their order: text sorts differently elsewhere."""

    rows: int = 0
    total: int = 0

    def add(self, rows: Sequence[Row]) -> None:
        """Take in rows, as plain values."""
        for row in rows:
            digest = hashlib.blake2b(repr(row).encode("utf-8", "replace"), digest_size=16).digest()
            self.total += int.from_bytes(digest, "big")
        self.rows += len(rows)

    @property
    def checksum(self) -> str:
        """32 hexadecimal digits."""
        return f"{self.total % 2**128:032x}"


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
                if (arrived.rows, arrived.checksum) != (copied.rows, copied.checksum):
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


def _rows(connection: Connection, table: Table) -> Iterator[list[tuple[Any, ...]]]:
    """All rows in batches, never all of them in memory. A -0.0 becomes 0.0, as SQLite stores it."""
    numbers = [index for index, column in enumerate(table.columns) if isinstance(column.type, (Double, Float))]
    found = connection.execution_options(yield_per=BATCH).execute(select(table))
    for batch in found.partitions():
        rows = []
        for row in batch:
            plain = list(row)
            for index in numbers:
                if plain[index] is not None:
                    plain[index] += 0.0
            rows.append(tuple(plain))
        yield rows


def _sum(connection: Connection, table: Table) -> Sum:
    found = Sum()
    for rows in _rows(connection, table):
        found.add(rows)
    return found


def _copy(old: Connection, new: Connection, table: Table) -> Sum:
    done = Sum()
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    marks = ", ".join("?" for _ in table.columns)
    for rows in _rows(old, table):
        done.add(rows)
        if new.dialect.name == "sqlite":
            new.exec_driver_sql(f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})', rows)
        else:
            raw: Any = new.connection.driver_connection
            with raw.cursor() as cursor, cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN') as stream:
                for row in rows:
                    stream.write_row(row)
    return done


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
