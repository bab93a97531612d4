"""Runs that another program recorded, brought into the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from modrack_registry.errors import UserError
from modrack_registry.store import RunStart, Store


@dataclass(kw_only=True)
class Foreign:
    """A run as its program recorded it. `source` tells it from all others, so that it is imported once.

    `started` and `ended` are seconds since 1970; `points` are (metric, step, value, seconds since 1970).
    """

    source: str
    name: str | None
    status: str
    started: float
    ended: float | None
    params: dict[str, str]
    tags: list[str] = field(default_factory=list)
    note: str | None = None
    points: Callable[[], Iterable[tuple[str, int, float, float]]]


def bring_in(kind: str, place: Path, store: Store) -> tuple[list[int], int]:
    """Import all runs of `place`: (numbers of the new ones, how many were known). Raises UserError."""
    if not place.exists():
        raise UserError(f"{place} does not exist.", "Give a file of MLflow, or a folder of TensorBoard.")
    made: list[int] = []
    known = 0
    there = _sources(store)
    for foreign in _read(kind, place):
        if foreign.source in there:
            known += 1
        else:
            made.append(_write(store, foreign))
    return made, known


def _read(kind: str, place: Path) -> Iterator[Foreign]:
    if kind == "mlflow":
        from modrack.records.mlflow import read_mlflow

        return read_mlflow(place)
    from modrack.records.tensorboard import read_tensorboard

    return read_tensorboard(place)


def _sources(store: Store) -> set[str]:
    return {str(run.params["imported.from"]) for run in store.runs() if "imported.from" in run.params}


def _write(store: Store, foreign: Foreign) -> int:
    # Model, dataset and optimizer are what people call them everywhere, so that filters find them.
    parts = [
        {"kind": kind, "name": foreign.params[kind], "full": foreign.params[kind], "plugin": "imported"}
        for kind in ("model", "dataset", "optimizer")
        if foreign.params.get(kind)
    ]
    params = {name: _typed(value) for name, value in foreign.params.items()}
    recorder = store.start(
        RunStart(
            config={},
            params=params | {"imported.from": foreign.source},
            components=parts,
            name=foreign.name,
            tags=["imported", *foreign.tags],
            started=foreign.started,
        )
    )
    ended = foreign.started
    for metric, step, value, at in foreign.points():
        recorder.log(max(0, step), {metric: value}, at)
        ended = max(ended, at)
    ended = foreign.ended or ended
    recorder.finish(foreign.status, reason=None, seconds=ended - foreign.started, ended=ended)
    if foreign.note:
        store.note(recorder.id, foreign.note)
    return recorder.id


def _typed(text: str) -> bool | int | float | str:
    """What a text most likely was: other programs keep every option as one."""
    if text in ("True", "False", "true", "false"):
        return text in ("True", "true")
    for type_ in (int, float):
        try:
            return type_(text)
        except ValueError:
            continue
    return text
