"""What a running run can say, and how it is written down.

An entry is a tuple of plain data, so that the same one can go to the database at once or to a file and there later:
`("points", step, time, {metric: value})`, `("event", number, time, kind, json)`, `("set", {fact: value})` and
`("end", {status, ended, reason, seconds, samples_per_second})`. Writing one twice changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from modrack_registry.store import schema
from modrack_registry.store.names import insert, intern
from modrack_registry.store.points import Overlap, Points, write_points
from modrack_registry.store.values import pack, storable, to_json

Entry = tuple[Any, ...]
# Facts that `set` takes as JSON columns; it takes `params` and `better` besides.
FACTS = ("plan", "data", "hardware", "environment", "extra")


@dataclass(frozen=True)
class Place:
    """Whose entries they are. `started` is the run's start, seconds since 1970."""

    run: int
    attempt: int
    started: float
    overlap: Overlap = field(default_factory=Overlap)


def write_entries(connection: Connection, place: Place, entries: Iterable[Entry], replay: bool = False) -> None:
    """Write entries in their order. With `replay` they are older than what the database may hold by now."""
    points: Points = defaultdict(dict)
    events: list[dict[str, Any]] = []
    for kind, *rest in entries:
        if kind == "points":
            step, at, values = rest
            time = round((at - place.started) * 1000)
            for name, value in values.items():
                points[storable(name)][step] = (value, time)
        elif kind == "event":
            row = dict(zip(("number", "time", "kind", "data"), rest, strict=True))
            events.append({"run": place.run, "attempt": place.attempt, **row})
        elif kind == "set":
            _set(connection, place.run, *rest)
        elif kind == "end":
            _end(connection, place, *rest)
    write_points(connection, place.run, points, place.overlap, only_newer=replay)
    if events:
        connection.execute(insert(connection, schema.event).on_conflict_do_nothing(), events)


def write_params(connection: Connection, run: int, params: dict[str, Any]) -> None:
    """Every option by its path; a later value replaces an earlier one."""
    if not params:
        return
    params = {storable(path): value for path, value in params.items()}
    ids = intern(connection, params)
    made = insert(connection, schema.param)
    new = {key: made.excluded[key] for key in ("type", "number", "text")}
    rows = [
        dict(zip(("run", "name", "type", "number", "text"), (run, ids[path], *pack(value)), strict=True))
        for path, value in params.items()
    ]
    connection.execute(made.on_conflict_do_update(index_elements=["run", "name"], set_=new), rows)


def _set(connection: Connection, run: int, facts: dict[str, Any]) -> None:
    columns = {name: to_json(value) for name, value in facts.items() if name in FACTS}
    if columns:
        connection.execute(update(schema.detail).where(schema.detail.c.run == run).values(columns))
    write_params(connection, run, facts.get("params") or {})
    better = facts.get("better") or {}
    ids = intern(connection, better)
    for metric, direction in better.items():
        connection.execute(update(schema.name).where(schema.name.c.id == ids[metric]).values(better=direction))


def _end(connection: Connection, place: Place, values: dict[str, Any]) -> None:
    attempt, run = schema.attempt, schema.run
    ended = {key: values[key] for key in ("status", "ended", "reason", "seconds")}
    connection.execute(
        update(attempt).where(attempt.c.run == place.run, attempt.c.number == place.attempt).values(ended)
    )
    # A later attempt may hold the run by now: then this one's end is not the run's.
    mine = (run.c.id == place.run, run.c.attempt == place.attempt)
    seconds = select(func.sum(attempt.c.seconds)).where(attempt.c.run == place.run).scalar_subquery()
    speed = {"samples_per_second": values["samples_per_second"]}
    done = connection.execute(update(run).where(*mine).values({**ended, "seconds": seconds, **speed}))
    if done.rowcount:
        connection.execute(delete(schema.lease).where(schema.lease.c.run == place.run))
