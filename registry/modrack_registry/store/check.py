"""Looks through a home for what is not as it should be: the database, the folders, and that they fit each other."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from modrack_registry.store import schema, spill
from modrack_registry.store.status import ALIVE, true_status
from modrack_registry.store.store import Store
from modrack_registry.store.trouble import DatabaseTrouble

# As many of a kind as a person reads.
MOST = 10


@dataclass(frozen=True)
class Finding:
    """Something wrong: of what kind, what, and what to do."""

    kind: str  # database, reference, folder, spill, blob, summary
    what: str
    hint: str


_BACKUP = "Put a backup in its place; `sqlite3 runs.db .recover` saves what it can of this one."


def check(store: Store) -> Iterator[Finding]:
    """All that is wrong. Reads everything once; changes nothing. Raises UserError for a database that is not ours."""
    place = store.database.place
    try:
        with store.database.read() as connection:
            if connection is not None:
                if store.database.sqlite:
                    yield from _file(connection, place)
                yield from _blobs(connection)
                yield from _summaries(connection)
            yield from _folders(store, connection)
    except DatabaseTrouble as error:
        yield Finding("database", error.message, error.hint or _BACKUP)


def _file(connection: Connection, place: str) -> Iterator[Finding]:
    for (said,) in connection.exec_driver_sql(f"PRAGMA integrity_check({MOST})"):
        if said != "ok":
            yield Finding("database", f"{place} is damaged: {said}", _BACKUP)
    lacking: dict[tuple[str, str], int] = {}
    for table, _, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
        lacking[table, parent] = lacking.get((table, parent), 0) + 1
    for (table, parent), count in lacking.items():
        yield Finding("reference", f"{count:,} rows of {table} refer to rows of {parent} that are not there.", _BACKUP)


def _blobs(connection: Connection) -> Iterator[Finding]:
    blob = schema.blob.c
    for sha256 in connection.execute(select(blob.sha256)).scalars().all():
        size, data = connection.execute(select(blob.size, blob.data).where(blob.sha256 == sha256)).one()
        try:
            text = zlib.decompress(data)
            good = hashlib.sha256(text).hexdigest() == sha256 and len(text) == size
        except zlib.error:
            good = False
        if not good:
            detail = schema.detail.c
            mine = (detail.packages == sha256) | (detail.diff == sha256)
            runs = connection.execute(select(detail.run).where(mine).order_by(detail.run)).scalars().all()
            of = ", ".join(map(str, runs[:MOST])) or "none"
            yield Finding("blob", f"Text {sha256[:12]} is not what was stored (runs: {of}).", _BACKUP)


def _summaries(connection: Connection) -> Iterator[Finding]:
    series, point = schema.series.c, schema.point.c
    counted = select(point.series, func.count().label("n")).group_by(point.series).subquery()
    wrong = (
        select(series.run, schema.name.c.text, series.n, func.coalesce(counted.c.n, 0))
        .join_from(schema.series, schema.name, schema.name.c.id == series.name)
        .outerjoin(counted, counted.c.series == series.id)
        .where(series.n != func.coalesce(counted.c.n, 0))
        .order_by(series.run)
        .limit(MOST)
    )
    for run, metric, said, there in connection.execute(wrong):
        yield Finding("summary", f"Run {run} has {there:,} points of {metric}, not the {said:,} it should.", _BACKUP)


def _folders(store: Store, connection: Connection | None) -> Iterator[Finding]:
    known = {}
    leases = {}
    if connection is not None:
        run = schema.run.c
        known = {
            row.folder: row
            for row in connection.execute(select(run.id, run.folder, run.status, run.deleted, run.attempt))
        }
        leases = {row.run: row for row in connection.execute(select(schema.lease))}
    numbered = sorted((each for each in store.home.glob("*/") if each.name.isdigit()), key=lambda each: int(each.name))
    for folder in numbered:
        row = known.get(folder.name)
        if row is None and any(folder.iterdir()):  # an empty one is left where a process was killed as it started
            yield Finding(
                "folder",
                f"{folder} belongs to no run in {store.database.place}.",
                "It is of another database (MODRACK_DB) or of one that was lost: move it away, or put a backup back.",
            )
        elif row is not None and spill.waits(folder):
            going = row.status in ALIVE and true_status(row.status, leases.get(row.id)) != "lost"
            if not going or spill.ended(folder, row.attempt):
                yield Finding(
                    "spill", f"Run {row.id} recorded more than the database took.", "modrack db recover brings it in."
                )
    there = {each.name for each in numbered}
    for name, row in known.items():
        if row.deleted is None and name not in there and not (store.home / name).is_dir():
            yield Finding(
                "folder",
                f"Run {row.id} has no folder {store.home / name}: its checkpoints are gone.",
                "Put it back, or give up the run: modrack runs rm",
            )
