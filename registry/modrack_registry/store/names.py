"""Interned names: the number that stands for a metric or an option."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, Table, select
from sqlalchemy.dialects import postgresql, sqlite

from modrack_registry.store import schema


def insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows ON CONFLICT in the dialect of `connection`."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def intern(connection: Connection, texts: Iterable[str]) -> dict[str, int]:
    """The number of each name; new names get one."""
    wanted = sorted(set(texts))  # in one order everywhere, so that two writers do not wait for each other
    if not wanted:
        return {}
    found = look_up(connection, wanted)
    missing = [{"text": text} for text in wanted if text not in found]
    if missing:
        connection.execute(insert(connection, schema.name).on_conflict_do_nothing(), missing)
        found |= look_up(connection, [row["text"] for row in missing])
    return found


def look_up(connection: Connection, texts: list[str]) -> dict[str, int]:
    """The numbers of those names that are known."""
    table = schema.name
    found: dict[str, int] = {}
    for start in range(0, len(texts), 500):
        some = select(table.c.text, table.c.id).where(table.c.text.in_(texts[start : start + 500]))
        found.update(tuple(row) for row in connection.execute(some))
    return found
