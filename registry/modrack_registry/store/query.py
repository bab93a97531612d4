"""Several runs, read in a handful of queries however many they are; no point is touched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Select, func, select

from modrack_registry.store import schema
from modrack_registry.store.database import Database
from modrack_registry.store.recorder import run_folder
from modrack_registry.store.run import Run, moment
from modrack_registry.store.status import ALIVE, true_status
from modrack_registry.store.values import unpack


class RunQuery:
    """Runs, the newest first; nothing is read before they are looked at."""

    def __init__(self, database: Database, home: Path, first: int | None = None) -> None:
        self._database, self._home, self._first = database, home, first
        self._runs: list[Run] | None = None

    def limit(self, first: int) -> RunQuery:
        """The first so many."""
        return RunQuery(self._database, self._home, first)

    def to_list(self) -> list[dict[str, Any]]:
        """Plain data, a dict a run."""
        return [run.as_dict() for run in self]

    def __iter__(self) -> Iterator[Run]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __getitem__(self, place: int) -> Run:
        return self._read()[place]

    def __repr__(self) -> str:
        return f"<{len(self)} runs of {self._database.place}>"

    def _read(self) -> list[Run]:
        if self._runs is None:
            query = select(schema.run).where(schema.run.c.deleted.is_(None)).order_by(schema.run.c.id.desc())
            self._runs = read_runs(self._database, self._home, query.limit(self._first))
        return self._runs


def read_runs(database: Database, home: Path, query: Select[Any]) -> list[Run]:
    """The runs that `query` over the table `run` gives, whole, in five queries."""
    with database.read() as connection:
        if connection is None:
            return []
        rows = connection.execute(query).all()
        params: dict[int, dict[str, Any]] = {row.id: {} for row in rows}
        metrics: dict[int, dict[str, float]] = {row.id: {} for row in rows}
        tags: dict[int, list[str]] = {row.id: [] for row in rows}
        name, param, series, tag, lease = (
            table.c for table in (schema.name, schema.param, schema.series, schema.tag, schema.lease)
        )
        # The numbers as one JSON text: a list of parameters would have a longest length.
        chosen = _members(connection, [row.id for row in rows])
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


def _members(connection: Any, numbers: list[int]) -> Any:
    if connection.dialect.name == "sqlite":
        return select(func.json_each(json.dumps(numbers)).table_valued("value").c.value)
    return numbers
