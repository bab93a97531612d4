"""Runs, read in a handful of queries however many they are; no point is touched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, select

from modrack_registry.store import schema
from modrack_registry.store.database import Database
from modrack_registry.store.filter.compile import members_of
from modrack_registry.store.recorder import run_folder
from modrack_registry.store.run import Run, moment
from modrack_registry.store.status import ALIVE, true_status
from modrack_registry.store.values import unpack


def read_runs(database: Database, home: Path, query: Select[Any]) -> list[Run]:
    """The runs that `query` over the table `run` gives, whole, in five queries."""
    with database.read() as connection:
        if connection is None:
            return []
        return load_runs(
            connection, database, home, list(connection.execute(query.with_only_columns(schema.run.c.id)).scalars())
        )


def load_runs(connection: Connection, database: Database, home: Path, numbers: Sequence[int]) -> list[Run]:
    """The runs with those numbers, in that order, within a transaction; those that are gone are left out."""
    chosen = members_of(connection.dialect.name == "sqlite", numbers)
    found = {row.id: row for row in connection.execute(select(schema.run).where(schema.run.c.id.in_(chosen)))}
    rows = [found[number] for number in numbers if number in found]
    params: dict[int, dict[str, Any]] = {row.id: {} for row in rows}
    metrics: dict[int, dict[str, float]] = {row.id: {} for row in rows}
    tags: dict[int, list[str]] = {row.id: [] for row in rows}
    name, param, series, tag, lease = (
        table.c for table in (schema.name, schema.param, schema.series, schema.tag, schema.lease)
    )
    for run, path, kind, number, text in connection.execute(
        select(param.run, name.text, param.type, param.number, param.text)
        .join_from(schema.param, schema.name, param.name == name.id)
        .where(param.run.in_(chosen))
    ):
        params[run][path] = unpack(kind, number, text)
    for run, metric, last in connection.execute(
        select(series.run, name.text, series.last)
        .join_from(schema.series, schema.name, series.name == name.id)
        .where(series.run.in_(chosen), series.n > 0)
        .order_by(series.id)
    ):
        metrics[run][metric] = float("nan") if last is None else last
    for run, text in connection.execute(select(tag.run, tag.text).where(tag.run.in_(chosen)).order_by(tag.text)):
        tags[run].append(text)
    going = [row.id for row in rows if row.status in ALIVE]
    held = {row.run: row for row in connection.execute(select(schema.lease).where(lease.run.in_(going)))}
    return [
        Run(
            id=row.id,
            name=row.name,
            status=true_status(row.status, held.get(row.id)),
            model=row.model,
            dataset=row.dataset,
            optimizer=row.optimizer,
            task=row.task,
            params=dict(sorted(params[row.id].items())),
            metrics=metrics[row.id],
            started=moment(row.started),  # type: ignore[arg-type]
            ended=moment(row.ended),
            seconds=row.seconds,
            samples_per_second=row.samples_per_second,
            seed=row.seed,
            reason=row.reason,
            note=row.note,
            tags=tags[row.id],
            attempt=row.attempt,
            parent=row.parent,
            folder=run_folder(home, row.folder),
            database=database,
        )
        for row in rows
    ]
