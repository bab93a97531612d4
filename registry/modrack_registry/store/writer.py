"""The thread that carries points to the database while training goes on.

`log` appends to a list and returns. Once a second, or when many points wait, the thread writes them in one
transaction. Where the database fails they go to a file in the run's folder; training never stops for it.
"""

from __future__ import annotations

import atexit
import json
import threading
import time
import warnings
import weakref
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from modrack_registry.errors import UserError
from modrack_registry.store import schema
from modrack_registry.store.database import Database
from modrack_registry.store.status import LEASE_SECONDS, RENEW_SECONDS

FLUSH_SECONDS = 1.0
FLUSH_POINTS = 1000
# A file of points that could not be written to the database.
SPILL = "spill.jsonl"

Point = tuple[int, float, Mapping[str, float]]


class Writer:
    """Carries the points and events of one run. `started` is the run's start, seconds since 1970."""

    def __init__(self, database: Database, run: int, attempt: int, folder: Path, started: float) -> None:
        self.database, self.run, self.attempt, self.folder, self.started = database, run, attempt, folder, started
        self._points: list[Point] = []
        self._events: list[tuple[int, float, str, str]] = []
        self._numbers = 0
        self._series: dict[str, int] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closed = False
        self._warned = False
        self._renewed = time.monotonic()
        self._thread = threading.Thread(target=_carry, args=(weakref.ref(self),), name=f"run {run}", daemon=True)
        self._thread.start()
        atexit.register(_close_at_exit, weakref.ref(self))

    def log(self, step: int, values: Mapping[str, float], at: float) -> None:
        """Keep a point of each of `values`; never waits."""
        self._points.append((step, at, values))
        if len(self._points) >= FLUSH_POINTS:
            self._wake.set()

    def event(self, kind: str, data: str, at: float) -> None:
        """Keep an event; `data` is JSON."""
        self._numbers += 1
        self._events.append((self._numbers, at, kind, data))

    def flush(self) -> None:
        """Write what waits, and return when it is written (or spilled)."""
        with self._lock:
            points, self._points = self._points, []
            events, self._events = self._events, []
            due = time.monotonic() - self._renewed > RENEW_SECONDS
            if not points and not events and not due:
                return
            try:
                with self.database.write() as connection:
                    self._write(connection, points, events)
                    renew(connection, self.run)
                self._renewed = time.monotonic()
            except (UserError, OSError) as error:
                self._spill(points, events, error)

    def close(self) -> None:
        """Write what waits and end the thread."""
        if not self._closed:
            self._closed = True
            self._wake.set()
            if self._thread is not threading.current_thread():
                self._thread.join(timeout=10)
            self.flush()

    def _write(self, connection: Connection, points: list[Point], events: list[tuple[int, float, str, str]]) -> None:
        if events:
            insert = inserter(connection)(schema.event).on_conflict_do_nothing()
            rows = [
                {"run": self.run, "attempt": self.attempt, "number": number, "time": at, "kind": kind, "data": data}
                for number, at, kind, data in events
            ]
            connection.execute(insert, rows)
        by_name: dict[str, dict[int, tuple[float, float]]] = defaultdict(dict)
        for step, at, values in points:
            for name, value in values.items():
                by_name[name][step] = (value, at)
        if by_name:
            write_points(connection, self.run, by_name, self._series, self.started)

    def _spill(self, points: list[Point], events: list[tuple[int, float, str, str]], error: Exception) -> None:
        """Keep beside the run what the database did not take; a later `modrack db recover` brings it in."""
        if not points and not events:
            return
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"{str(error).splitlines()[0]} Training goes on; points go to {self.folder / SPILL}, "
                "and `modrack db recover` brings them in.",
                stacklevel=2,
            )
        try:
            with (self.folder / SPILL).open("a", encoding="utf-8") as file:
                for step, at, values in points:
                    file.write(json.dumps({"run": self.run, "step": step, "time": at, "values": dict(values)}) + "\n")
                for number, at, kind, data in events:
                    row = {"run": self.run, "attempt": self.attempt, "number": number, "time": at}
                    file.write(json.dumps(row | {"kind": kind, "data": data}) + "\n")
        except OSError:
            # Nowhere left to write: keep them for the next try.
            self._points = points + self._points
            self._events = events + self._events


def write_points(
    connection: Connection,
    run: int,
    by_name: Mapping[str, Mapping[int, tuple[float, float]]],
    known: dict[str, int],
    started: float,
) -> None:
    """Points {metric: {step: (value, seconds since 1970)}} and the summaries of their series. The last write wins.

    `known` keeps series numbers between calls.
    """
    for name in by_name:
        if name not in known:
            known[name] = _series_id(connection, run, name_id(connection, name))
    rows = []
    for name, points in by_name.items():
        rows += [
            {"series": known[name], "step": step, "value": _stored(value), "time": round((at - started) * 1000)}
            for step, (value, at) in points.items()
        ]
    insert = inserter(connection)(schema.point)
    new = {"value": insert.excluded.value, "time": insert.excluded.time}
    again = _summarise(connection, {known[name]: points for name, points in by_name.items()})
    connection.execute(insert.on_conflict_do_update(index_elements=["series", "step"], set_=new), rows)
    for series in again:
        _recount(connection, series)


def _summarise(connection: Connection, by_series: Mapping[int, Mapping[int, tuple[float, float]]]) -> list[int]:
    """Bring each series' summary up to date; returns those that overwrite older points and must be counted anew."""
    table = schema.series.c
    found = {row.id: row for row in connection.execute(select(schema.series).where(table.id.in_(by_series)))}
    again = []
    for series, points in by_series.items():
        row = found[series]
        steps = sorted(points)
        if row.last_step is not None and steps[0] <= row.last_step:
            again.append(series)
            continue
        numbers = [(step, points[step][0]) for step in steps]
        finite = [(step, value) for step, value in numbers if value == value]
        values: dict[str, Any] = {
            "n": row.n + len(numbers),
            "nans": row.nans + len(numbers) - len(finite),
            "last": _stored(numbers[-1][1]),
            "last_step": numbers[-1][0],
        }
        if row.n == 0:
            values |= {"first": _stored(numbers[0][1]), "first_step": numbers[0][0]}
        if finite:
            low, high = min(finite, key=lambda pair: pair[1]), max(finite, key=lambda pair: pair[1])
            if row.min is None or low[1] < row.min:
                values |= {"min": low[1], "min_step": low[0]}
            if row.max is None or high[1] > row.max:
                values |= {"max": high[1], "max_step": high[0]}
        connection.execute(update(schema.series).where(table.id == series).values(values))
    return again


def _recount(connection: Connection, series: int) -> None:
    """The summary of a series from its points: after a resumed run has written some of them again."""
    table = schema.point.c
    query = select(table.step, table.value).where(table.series == series).order_by(table.step)
    points = connection.execute(query).all()
    finite = [(step, value) for step, value in points if value is not None]
    low = min(finite, key=lambda pair: pair[1]) if finite else (None, None)
    high = max(finite, key=lambda pair: pair[1]) if finite else (None, None)
    connection.execute(
        update(schema.series)
        .where(schema.series.c.id == series)
        .values(
            n=len(points),
            nans=len(points) - len(finite),
            first=points[0][1],
            first_step=points[0][0],
            last=points[-1][1],
            last_step=points[-1][0],
            min=low[1],
            min_step=low[0],
            max=high[1],
            max_step=high[0],
        )
    )


def name_id(connection: Connection, text: str) -> int:
    """The number of an interned name."""
    table = schema.name
    found = connection.execute(select(table.c.id).where(table.c.text == text)).scalar()
    if found is None:
        connection.execute(inserter(connection)(table).values(text=text).on_conflict_do_nothing())
        found = connection.execute(select(table.c.id).where(table.c.text == text)).scalar_one()
    return int(found)


def renew(connection: Connection, run: int) -> None:
    """Say that the run is still held."""
    values = {"until": time.time() + LEASE_SECONDS}
    connection.execute(update(schema.lease).where(schema.lease.c.run == run).values(values))


def release(connection: Connection, run: int) -> None:
    """Say that nobody holds the run any more."""
    connection.execute(delete(schema.lease).where(schema.lease.c.run == run))


def inserter(connection: Connection) -> Any:
    """The `insert` of the database's dialect, which knows ON CONFLICT."""
    return sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert


def _series_id(connection: Connection, run: int, name: int) -> int:
    table = schema.series
    query = select(table.c.id).where(table.c.run == run, table.c.name == name)
    found = connection.execute(query).scalar()
    if found is None:
        connection.execute(inserter(connection)(table).values(run=run, name=name, n=0, nans=0).on_conflict_do_nothing())
        found = connection.execute(query).scalar_one()
    return int(found)


def _stored(value: float) -> float | None:
    return float(value) if value == value else None


def _carry(reference: weakref.ref[Writer]) -> None:
    """The thread: holds its writer only while it writes, so that a forgotten one can go."""
    while True:
        writer = reference()
        if writer is None or writer._closed:
            return
        wake = writer._wake
        del writer
        wake.wait(FLUSH_SECONDS)
        wake.clear()
        writer = reference()
        if writer is None or writer._closed:
            return
        writer.flush()
        del writer


def _close_at_exit(reference: weakref.ref[Writer]) -> None:
    writer = reference()
    if writer is not None:
        writer.close()
