"""Writing points and keeping the summary row of their series."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select

from modrack_registry.store import schema
from modrack_registry.store.names import insert, intern

# name -> step -> (value, milliseconds since the run started)
Points = dict[str, dict[int, tuple[float, int]]]

_SQLITE = (
    "INSERT INTO point (series, step, value, time) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (series, step) DO UPDATE SET value = excluded.value, time = excluded.time"
)
# One statement with four arrays is several times faster than a statement a point.
_POSTGRESQL = (
    "INSERT INTO point (series, step, value, time) "
    "SELECT * FROM unnest(%s::int[], %s::bigint[], %s::float8[], %s::bigint[]) "
    "ON CONFLICT (series, step) DO UPDATE SET value = excluded.value, time = excluded.time"
)
_ONLY_NEWER = " WHERE excluded.time >= point.time"
_SUMMARY = (*("n", "nans", "first", "first_step", "last", "last_step"), *("min", "min_step", "max", "max_step"))


@dataclass
class Overlap:
    """What was logged again over what had been logged: a resumed run proves itself by it."""

    same: int = 0
    different: int = 0


def write_points(
    connection: Connection, run: int, points: Points, overlap: Overlap | None = None, only_newer: bool = False
) -> None:
    """Store `points` of a run and bring its summaries up to date. The last write of a (series, step) wins.

    `only_newer` lets a stored point stay where its time is later: a replay must not undo what came after.
    """
    if not points:
        return
    table = schema.series
    ids = intern(connection, points)
    texts = {number: text for text, number in ids.items()}
    wanted = select(table).where(table.c.run == run, table.c.name.in_(list(texts)))
    known = {row["name"]: dict(row) for row in connection.execute(wanted).mappings()}
    # In the order they were named: a person sees them so.
    new = [{"run": run, "name": ids[each], "n": 0, "nans": 0} for each in points if ids[each] not in known]
    if new:
        connection.execute(insert(connection, table).on_conflict_do_nothing(), new)
        known = {row["name"]: dict(row) for row in connection.execute(wanted).mappings()}
    rows: list[tuple[int, int, float | None, int]] = []
    overwritten: list[dict[str, Any]] = []
    for each, summary in known.items():
        steps = sorted(points[texts[each]].items())
        series = summary["id"]
        rows.extend((series, step, None if value != value else value, time) for step, (value, time) in steps)
        if summary["n"] == 0 or steps[0][0] > summary["last_step"]:
            _extend(summary, ((step, value) for step, (value, _) in steps))
        else:
            overwritten.append(summary)
            if overlap is not None:
                _compare(connection, series, dict(steps), overlap)
    _upsert(connection, rows, only_newer)
    for summary in overwritten:
        summary.update(_summarise(connection, summary["id"]))
    update = table.update().where(table.c.id == bindparam("of"))
    connection.execute(update, [{"of": each["id"], **{key: each[key] for key in _SUMMARY}} for each in known.values()])


def rebuild_summary(connection: Connection, series: int) -> None:
    """Compute the summary row of a series from its points anew."""
    table = schema.series
    connection.execute(table.update().where(table.c.id == series), _summarise(connection, series))


def _upsert(connection: Connection, rows: list[tuple[int, int, float | None, int]], only_newer: bool) -> None:
    more = _ONLY_NEWER if only_newer else ""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_SQLITE + more, rows)
    else:
        connection.exec_driver_sql(_POSTGRESQL + more, tuple(map(list, zip(*rows, strict=True))))


def _extend(summary: dict[str, Any], steps: Iterable[tuple[int, float]]) -> None:
    """Add points that all come after those in `summary`."""
    low = math.inf if summary["min"] is None else summary["min"]
    high = -math.inf if summary["max"] is None else summary["max"]
    for step, value in steps:
        stored = None if value != value else value
        if summary["n"] == 0:
            summary["first"], summary["first_step"] = stored, step
        summary["n"] += 1
        summary["last"], summary["last_step"] = stored, step
        if stored is None:
            summary["nans"] += 1
            continue
        if value < low or summary["min_step"] is None:
            low = value
            summary["min"], summary["min_step"] = value, step
        if value > high or summary["max_step"] is None:
            high = value
            summary["max"], summary["max_step"] = value, step


def _summarise(connection: Connection, series: int) -> dict[str, Any]:
    point, mark = schema.point, "?" if connection.dialect.name == "sqlite" else "%s"
    counts = connection.exec_driver_sql(
        "SELECT count(*), count(*) - count(value), min(step), max(step), min(value), max(value) "
        f"FROM point WHERE series = {mark}",
        (series,),
    ).one()
    n, nans, first_step, last_step, low, high = counts
    here = point.c.series == series

    def value_at(step: int | None) -> float | None:
        return connection.scalar(select(point.c.value).where(here, point.c.step == step))

    def first_with(value: float | None) -> int | None:
        where = select(point.c.step).where(here, point.c.value == value).order_by(point.c.step).limit(1)
        return None if value is None else connection.scalar(where)

    found = (n, nans, value_at(first_step), first_step, value_at(last_step), last_step)
    return dict(zip(_SUMMARY, (*found, low, first_with(low), high, first_with(high)), strict=True))


def _compare(connection: Connection, series: int, new: dict[int, tuple[float, int]], overlap: Overlap) -> None:
    point = schema.point
    stored = select(point.c.step, point.c.value).where(
        point.c.series == series, point.c.step >= min(new), point.c.step <= max(new)
    )
    for step, value in connection.execute(stored):
        if step in new:
            again = new[step][0]
            same = again != again if value is None else value == again
            overlap.same += same
            overlap.different += not same
