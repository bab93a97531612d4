"""Runs, read in a handful of queries however many they are; no point is touched."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from math import nan
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, bindparam, func, select

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
    sqlite = connection.dialect.name == "sqlite"
    chosen = {"runs": json.dumps(list(numbers)) if sqlite else list(numbers)}
    asked = _statements(sqlite)
    found = {row.id: row for row in connection.execute(asked.runs, chosen)}
    rows = [found[number] for number in numbers if number in found]
    params: dict[int, dict[str, Any]] = {number: {} for number in found}
    metrics: dict[int, dict[str, float]] = {number: {} for number in found}
    tags: dict[int, list[str]] = {number: [] for number in found}
    for run, path, kind, number, text in connection.execute(asked.params, chosen):
        params[run][path] = unpack(kind, number, text)
    for run, metric, last in connection.execute(asked.metrics, chosen):
        metrics[run][metric] = nan if last is None else last
    for run, text in connection.execute(asked.tags, chosen):
        tags[run].append(text)
    going = [row.id for row in rows if row.status in ALIVE]
    leases = select(schema.lease).where(schema.lease.c.run.in_(members_of(sqlite, going)))
    held = {row.run: row for row in connection.execute(leases)} if going else {}
    home = home.resolve()
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
            folder=_folder(home, row.folder),
            database=database,
        )
        for row in rows
    ]


class _Statements(NamedTuple):
    """What a list reads of the runs `:runs`. Made once: that takes longer than to read."""

    runs: Select[Any]
    params: Select[Any]
    metrics: Select[Any]
    tags: Select[Any]


@lru_cache(maxsize=2)
def _statements(sqlite: bool) -> _Statements:
    runs: Any = bindparam("runs", expanding=True)
    if sqlite:
        runs = select(func.json_each(bindparam("runs")).table_valued("value").c.value)
    name, param, series, tag = (table.c for table in (schema.name, schema.param, schema.series, schema.tag))
    return _Statements(
        select(schema.run).where(schema.run.c.id.in_(runs)),
        select(param.run, name.text, param.type, param.number, param.text)
        .join_from(schema.param, schema.name, param.name == name.id)
        .where(param.run.in_(runs)),
        select(series.run, name.text, series.last)
        .join_from(schema.series, schema.name, series.name == name.id)
        .where(series.run.in_(runs), series.n > 0)
        .order_by(series.id),
        select(tag.run, tag.text).where(tag.run.in_(runs)).order_by(tag.text),
    )


def _folder(home: Path, relative: str) -> Path:
    """The folder of a run in a home whose links are followed already; most are beyond doubt."""
    plain = home / relative
    return plain if relative.isascii() and relative.isdigit() and not plain.is_symlink() else run_folder(home, relative)
