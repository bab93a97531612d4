"""What there is to say of a database as a whole."""

from __future__ import annotations

import platform
import sqlite3
from collections import Counter
from typing import Any

from sqlalchemy import Connection, func, select

from modrack_registry.store import schema
from modrack_registry.store.status import ALIVE, true_status
from modrack_registry.store.store import Store


def describe(store: Store) -> dict[str, Any]:
    """Place, engine, schema, bytes, runs by status, points; no point is read. `schema` is None where nothing is yet."""
    database = store.database
    about: dict[str, Any] = {"home": str(store.home), "database": database.place}
    about["engine"] = "sqlite" if database.sqlite else "postgresql"
    with database.read() as connection:
        if connection is None:
            return {**about, "schema": None, "runs": 0, "deleted": 0, "points": 0, "statuses": {}}
        statuses = _statuses(connection)
        deleted = connection.execute(select(func.count()).where(schema.run.c.deleted.is_not(None))).scalar_one()
        series = schema.series.c
        points = int(connection.execute(select(func.coalesce(func.sum(series.n), 0))).scalar_one())
        about |= {
            "version": sqlite3.sqlite_version if database.sqlite else _server(connection),
            "python": platform.python_version(),
            "schema": connection.execute(schema.version.select()).scalar_one(),
            "journal": connection.exec_driver_sql("PRAGMA journal_mode").scalar() if database.sqlite else None,
            "bytes": _bytes(connection, database.sqlite),
            "runs": sum(statuses.values()),
            "deleted": deleted,
            "statuses": dict(sorted(statuses.items())),
            "metrics": connection.execute(select(func.count(func.distinct(series.name)))).scalar_one(),
            "points": points,
        }
    about["bytes_per_point"] = round(about["bytes"] / points, 1) if points else None
    return about


def _statuses(connection: Connection) -> Counter[str]:
    """Runs that are not deleted, by their true status."""
    table = schema.run
    kept = table.c.deleted.is_(None)
    rows = connection.execute(select(table.c.status, func.count()).where(kept).group_by(table.c.status)).all()
    found = Counter({status: count for status, count in rows if status not in ALIVE})
    leases = {row.run: row for row in connection.execute(select(schema.lease))}
    for run, status in connection.execute(select(table.c.id, table.c.status).where(kept, table.c.status.in_(ALIVE))):
        found[true_status(status, leases.get(run))] += 1
    return found


def _bytes(connection: Connection, sqlite: bool) -> int:
    if sqlite:
        pages, size = (
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("page_count", "page_size")
        )
        return int(pages) * int(size)
    total = sum(
        int(connection.execute(select(func.pg_total_relation_size(name))).scalar_one())
        for name in (f'"{table}"' for table in schema.metadata.tables)
    )
    return total


def _server(connection: Connection) -> str:
    return str(connection.exec_driver_sql("SHOW server_version").scalar())
