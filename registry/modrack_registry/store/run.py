"""A run, as it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import select

from modrack_registry.errors import UserError
from modrack_registry.store import schema
from modrack_registry.store.database import Database
from modrack_registry.store.values import from_blob, from_json
from modrack_registry.suggest import did_you_mean

LISTED = ("id", "name", "status", "model", "dataset", "optimizer", "task", "params", "metrics", "started", "seconds")


@dataclass
class Run:
    """What is kept of a run. `metrics` are last values by name, `params` every option by its path.

    `seconds` are of all attempts; `samples_per_second` are training rows over the time of the training loop.
    """

    id: int
    name: str | None
    status: str
    model: str | None
    dataset: str | None
    optimizer: str | None
    task: str | None
    params: dict[str, Any]
    metrics: dict[str, float]
    started: datetime
    ended: datetime | None
    seconds: float | None
    samples_per_second: float | None
    seed: int | None
    reason: str | None
    note: str | None
    tags: list[str]
    attempt: int
    parent: int | None
    folder: Path
    database: Database

    # Set by the platform, which knows how a model is built; the store does not.
    load: ClassVar[Callable[..., Any] | None] = None
    ask: ClassVar[Callable[..., Any] | None] = None

    def load_model(self, checkpoint: str = "best") -> Any:
        """The trained model in evaluation mode, with its weights from a checkpoint: best, last, or step-00000500.

        Neither the dataset nor the network is needed. Raises UserError where there is no such checkpoint.
        """
        load = type(self).load
        if load is None:
            raise UserError(f"Run {self.id} was read without modrack's runner.", "Read it by modrack.runs().")
        return load(self, checkpoint)

    def predict(
        self,
        inputs: Any,
        *,
        checkpoint: str = "best",
        column: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """What the trained model says of `inputs`, a dict a row: texts, rows as dicts, paths of images, sounds, tables.

        `column` names the input of a table; `options` are those of the task that hold instead of the run's, and the
        seed: {"task.temperature": 0.8}. Raises UserError for what cannot be a row of what it was trained on.
        """
        ask = type(self).ask
        if ask is None:
            raise UserError(f"Run {self.id} was read without modrack's runner.", "Read it by modrack.runs().")
        found: list[dict[str, Any]] = ask(self, inputs, checkpoint, column, options)
        return found

    def as_dict(self) -> dict[str, Any]:
        """What a list shows, as plain data; `started` as an ISO date."""
        return {name: getattr(self, name) for name in LISTED} | {"started": self.started.isoformat()}

    def last_steps(self) -> dict[str, int]:
        """The newest step of each metric."""
        series, name = schema.series.c, schema.name.c
        query = (
            select(name.text, series.last_step)
            .join_from(schema.series, schema.name, series.name == name.id)
            .where(series.run == self.id, series.n > 0)
        )
        with self.database.read() as connection:
            return {row.text: row.last_step for row in connection.execute(query)} if connection is not None else {}

    def history(self, metric: str, after: int = -1) -> tuple[list[int], list[float], list[float]]:
        """(steps, values, seconds since the start) of a metric, at steps greater than `after`.

        Raises UserError for a metric that the run does not have.
        """
        series, name, point = schema.series.c, schema.name.c, schema.point.c
        query = (
            select(point.step, point.value, point.time)
            .join_from(schema.point, schema.series, point.series == series.id)
            .join(schema.name, series.name == name.id)
            .where(series.run == self.id, name.text == metric, point.step > after)
            .order_by(point.step)
        )
        with self.database.read() as connection:
            rows = connection.execute(query).all() if connection is not None else []
        if not rows and metric not in self.metrics:
            raise UserError(f"Run {self.id} has no metric {metric!r}.", did_you_mean(metric, self.metrics))
        nan = float("nan")
        return (
            [row.step for row in rows],
            [nan if row.value is None else row.value for row in rows],
            [row.time / 1000 for row in rows],
        )

    @property
    def pictures(self) -> list[Path]:
        """The files that its callbacks and metrics left below `pictures/`, by name."""
        found = self.folder.joinpath("pictures").rglob("*")
        return sorted(place for place in found if place.is_file() and not place.name.startswith("."))

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration, as the content of an experiment file."""
        found: dict[str, Any] = self._detail.get("config") or {}
        return found

    @property
    def command(self) -> list[str]:
        """The words it was started with."""
        return list(self._detail.get("command") or [])

    @property
    def plan(self) -> dict[str, Any] | None:
        """How it was carried out: {decision: {value, reason}}."""
        return self._detail.get("plan")

    @property
    def hardware(self) -> dict[str, Any]:
        """What it ran on."""
        return dict(self._detail.get("hardware") or {})

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that can change what a run does, those of an allow-list."""
        return dict(self._detail.get("environment") or {})

    @property
    def extra(self) -> dict[str, Any]:
        """What the run measured of itself: peak_memory (bytes), flops_per_second, mfu, tokens_per_second."""
        return dict(self._detail.get("extra") or {})

    @property
    def data(self) -> dict[str, Any]:
        """Facts of its dataset."""
        return dict(self._detail.get("data") or {})

    @property
    def packages(self) -> dict[str, str]:
        """Installed distributions and their versions."""
        return dict(from_json(self._detail["packages"]) if self._detail.get("packages") else {})

    @property
    def git(self) -> dict[str, Any] | None:
        """commit, dirty, diff, remote; None outside a repository."""
        found: dict[str, Any] | None = self._detail.get("git")
        return found

    @cached_property
    def components(self) -> list[dict[str, Any]]:
        """kind, name, full, plugin, version and digest of each part."""
        table, used = schema.component.c, schema.used.c
        query = (
            select(table.kind, table.name, table.full, table.plugin, table.version, table.digest)
            .join_from(schema.used, schema.component, used.component == table.id)
            .where(used.run == self.id)
            .order_by(used.position)
        )
        with self.database.read() as connection:
            rows = connection.execute(query).mappings().all() if connection is not None else []
        return [{**row, "version": row["version"] or None} for row in rows]

    @cached_property
    def _detail(self) -> dict[str, Any]:
        with self.database.read() as connection:
            if connection is None:
                return {}
            row = connection.execute(select(schema.detail).where(schema.detail.c.run == self.id)).mappings().first()
            if row is None:
                return {}
            blobs = {
                name: connection.execute(select(schema.blob.c.data).where(schema.blob.c.sha256 == row[name])).scalar()
                for name in ("packages", "diff")
                if row[name]
            }
            code = connection.execute(
                select(schema.run.c.commit, schema.run.c.dirty).where(schema.run.c.id == self.id)
            ).first()
        facts = ("config", "command", "plan", "hardware", "data", "environment", "extra")
        detail: dict[str, Any] = {name: from_json(row[name]) for name in facts}
        texts = {name: from_blob(blob) for name, blob in blobs.items() if blob is not None}
        detail["packages"] = texts.get("packages")
        if code is not None and code.commit:
            git = {"commit": code.commit, "dirty": bool(code.dirty), "diff": texts.get("diff"), "remote": row["remote"]}
            detail["git"] = git
        return detail


def moment(seconds: float | None) -> datetime | None:
    """Seconds since 1970 as a date in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
