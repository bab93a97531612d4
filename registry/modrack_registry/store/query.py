"""Several runs, asked with a filter and in an order, and read page by page."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection

from modrack_registry.errors import UserError
from modrack_registry.store.cursor import Cursor, pack, unpack
from modrack_registry.store.database import Database
from modrack_registry.store.fields import read_fields
from modrack_registry.store.filter.parse import parse, parse_key
from modrack_registry.store.filter.subjects import ATTRIBUTES
from modrack_registry.store.reading import load_runs
from modrack_registry.store.run import Run
from modrack_registry.store.search import Search

Item = TypeVar("Item")
_Reader = Callable[["RunQuery", Connection, Search, list[int]], list[Item]]

# The first page of a list comes quickly, all of it in few queries.
_FIRST, _MORE = 100, 1000


@dataclass(frozen=True)
class Page:
    """Some runs, and in `after` the place to go on from; None where there is no further run."""

    runs: list[Run]
    after: str | None


@dataclass(frozen=True, repr=False)
class RunQuery:
    """Runs that fit a filter, the newest first unless sorted. Nothing is read before they are looked at.

    Each method that says what is wanted gives another query and leaves this one as it is. Where a key is unknown,
    reading raises UserError; there is no empty list for it. Runs are not kept: to iterate again asks again.
    """

    database: Database
    home: Path
    filter: str = ""
    order: tuple[str, ...] = ()
    most: int | None = None
    place: str | None = None
    shown: tuple[str, ...] = ()
    # How many runs the last look at them found, where it found all at once: `list` asks for the length besides.
    _seen: list[int] = field(default_factory=list, init=False, compare=False)

    def __post_init__(self) -> None:
        parse(self.filter)  # what is no filter is said at once

    def sort(self, *keys: str) -> RunQuery:
        """By those keys, the greatest first after a `-`: `sort("-test.accuracy", "seconds")`.

        A key is an attribute, an option or a metric, as in a filter. What a run lacks comes last.
        """
        for key in keys:
            parse_key(key)
        return replace(self, order=keys, place=None)

    def limit(self, first: int) -> RunQuery:
        """The first so many."""
        return replace(self, most=max(0, first))

    def after(self, place: str | None) -> RunQuery:
        """Those after a place that `page` gave; after None, all of them."""
        return replace(self, place=place)

    def columns(self, *keys: str) -> RunQuery:
        """Only those keys in `rows`, `to_list` and `to_pandas`: `columns("id", "lr", "test.accuracy@max")`."""
        for key in keys:
            if parse_key(key)[1]:
                raise UserError(f"A column {key!r} has no order.", f"Take {key.lstrip(' -')}, and sort by {key}.")
        return replace(self, shown=keys)

    def page(self, size: int = 50, after: str | None = None) -> Page:
        """The first `size` runs after a place. New runs meanwhile shift nothing."""
        query = replace(self, most=None, place=after or self.place)
        # One more tells whether there is a further page.
        runs, places = query._read(max(1, size) + 1, query._start, _whole)
        more = len(runs) > size
        return Page(runs[:size], pack(places[size - 1], " ".join(self.order)) if more else None)

    def __iter__(self) -> Iterator[Run]:
        self._seen.clear()
        size = _FIRST if self.most is None else min(_FIRST, self.most)
        runs, places = self._read(size, self._start, _whole) if size else ([], [])
        if len(places) < size or size == self.most:
            self._seen.append(len(runs))
            return iter(runs)
        left = None if self.most is None else self.most - size
        return chain(runs, replace(self, most=left)._all(_whole, places[-1]))

    def rows(self) -> Iterator[dict[str, Any]]:
        """A dict a run: the chosen columns, by the keys as they were given, else what a list shows."""
        if self.shown:
            return self._all(_chosen, self._start)
        return (run.as_dict() for run in self)

    def to_list(self) -> list[dict[str, Any]]:
        """Plain data, a dict a run."""
        return list(self.rows())

    def to_pandas(self) -> Any:
        """A DataFrame, a row a run: the chosen columns, else attributes, options by path and metrics by name.

        Raises UserError where pandas is not installed.
        """
        try:
            import pandas  # type: ignore[import-untyped]
        except ImportError:
            raise UserError("A DataFrame needs pandas, which is not installed.", "pip install pandas") from None
        if self.shown:
            return pandas.DataFrame(self.to_list(), columns=list(self.shown))
        rows: list[dict[str, Any]] = []
        for run in self:
            record = {name: value for name, value in run.as_dict().items() if name not in ("params", "metrics")}
            rows.append({**record, **run.params, **run.metrics, **record, "started": run.started})
        return pandas.DataFrame(rows)

    def select_ids(self) -> list[int]:
        """The numbers of all these runs, in order."""
        with self.database.read() as connection:
            search = self._search(connection)
            return [] if connection is None else [each.run for each in search.runs(self.most, self._start)]

    def first(self) -> Run | None:
        """The first of them, or None."""
        return next(iter(self._one), None)

    def best(self, metric: str) -> Run:
        """The run with the best value of a metric: over all its steps, or the last with `best("test.accuracy@last")`.

        Raises UserError where it is not known whether more or less of it is better, and where none has a value.
        """
        with self.database.read() as connection:
            number = self._search(connection).best(metric)
            if number is not None and connection is not None:
                return load_runs(connection, self.database, self.home, [number])[0]
        raise UserError(f"None of these runs has a value of {metric}.", "`modrack runs list` shows what they have.")

    def count(self) -> int:
        """How many runs fit the filter, whatever `limit` and `after` say."""
        with self.database.read() as connection:
            search = self._search(connection)
            return 0 if connection is None else search.count()

    def explain(self) -> str:
        """How the filter and the order are read, the SQL with its parameters, and SQLite's plan for it."""
        with self.database.read() as connection:
            return self._search(connection).explain(self.most, self._start)

    def __len__(self) -> int:
        if self._seen:
            return self._seen[0]
        if self.place is not None:
            return len(self.select_ids())
        count = self.count()
        return count if self.most is None else min(count, self.most)

    def __bool__(self) -> bool:
        return bool(self._one.select_ids())

    def __getitem__(self, place: int) -> Run:
        found = next(islice(self, place, None), None) if place >= 0 else [*self][place]
        if found is None:
            raise IndexError(f"There is no run at place {place}.")
        return found

    def __repr__(self) -> str:
        return f"<{len(self)} runs of {self.database.place}>"

    @property
    def _one(self) -> RunQuery:
        return self.limit(1 if self.most is None else min(1, self.most))

    @property
    def _start(self) -> Cursor | None:
        return None if self.place is None else unpack(self.place, " ".join(self.order))

    def _search(self, connection: Connection | None) -> Search:
        return Search(connection, self.filter, parse(self.filter), self.order, time.time())

    def _read(self, size: int, start: Cursor | None, read: _Reader[Item]) -> tuple[list[Item], list[Cursor]]:
        """Some runs and their places, in one transaction, which is over then: it must not hold up who writes."""
        with self.database.read() as connection:
            search = self._search(connection)
            found = [] if connection is None else search.runs(size, start)
            if connection is None or not found:
                search.fields(self.shown)
                return [], []
            return read(self, connection, search, [each.run for each in found]), found

    def _all(self, read: _Reader[Item], start: Cursor | None) -> Iterator[Item]:
        left = self.most
        while left is None or left > 0:
            size = _MORE if left is None else min(_MORE, left)
            items, places = self._read(size, start, read)
            yield from items
            if len(places) < size:
                return
            start, left = places[-1], None if left is None else left - size


def _whole(query: RunQuery, connection: Connection, search: Search, runs: list[int]) -> list[Run]:
    return load_runs(connection, query.database, query.home, runs)


def _chosen(query: RunQuery, connection: Connection, search: Search, runs: list[int]) -> list[dict[str, Any]]:
    fields = search.fields(query.shown)
    asked = any(each == ATTRIBUTES["status"] for each in fields.values())
    return read_fields(connection, runs, fields, search.lost if asked else ())
