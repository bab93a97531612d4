"""A filter and an order, looked up in the database and carried out within one of its transactions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Select, func, select

from modrack_registry.errors import UserError
from modrack_registry.store import schema
from modrack_registry.store.cursor import Cursor
from modrack_registry.store.filter.bind import Condition, bind
from modrack_registry.store.filter.compile import Compiler
from modrack_registry.store.filter.explain import describe, explain
from modrack_registry.store.filter.keys import Keys
from modrack_registry.store.filter.mistakes import shown
from modrack_registry.store.filter.nodes import All, Key, Not, Some, Term, Tree
from modrack_registry.store.filter.parse import parse_key
from modrack_registry.store.filter.subjects import ATTRIBUTES, Metric, Subject
from modrack_registry.store.order import NEWEST, Order, SortKey, sortable
from modrack_registry.store.planning import plan
from modrack_registry.store.status import ALIVE, true_status

_STATUS = ATTRIBUTES["status"]


class Search:
    """What a filter means in this database, now. Raises UserError for keys that it does not have.

    Without a connection, which is where there is no database yet, only the keys are checked.
    """

    def __init__(
        self, connection: Connection | None, text: str, tree: Tree[Term], order: Sequence[str], now: float
    ) -> None:
        self._connection = connection
        self._keys = Keys(connection)
        self.tree = bind(tree, text, self._keys, now)
        self.order = tuple(self._sort_key(key) for key in order)

    @cached_property
    def lost(self) -> list[int]:
        """The runs that are written down as alive and are not."""
        if self._connection is None:
            return []
        run, lease = schema.run.c, schema.lease.c
        query = select(run.id, run.status, *schema.lease.c).join_from(
            schema.run, schema.lease, run.id == lease.run, isouter=True
        )
        rows = self._connection.execute(query.where(run.status.in_(ALIVE)))
        return [row.id for row in rows if true_status(row.status, None if row.pid is None else row) == "lost"]

    def runs(self, size: int | None, after: Cursor | None = None) -> list[Cursor]:
        """The places of the first `size` runs after a place."""
        return self._runs(Order(self._compiler, self.order or (NEWEST,)), size, after)

    def count(self) -> int:
        """How many fit."""
        assert self._connection is not None
        where = plan(self._connection, self._compiler, self.tree, None).where
        query = select(func.count()).select_from(schema.run).where(schema.run.c.deleted.is_(None), where)
        return int(self._connection.scalar(query) or 0)

    def best(self, metric: str) -> int | None:
        """The run with the best value of a metric, None where none has one. Raises UserError."""
        key, _ = parse_key(metric)
        subject = self._keys.find(Key(key.text, key.summary or "last", key.at), metric)
        assert isinstance(subject, Metric)
        better = self._keys.direction(subject.name, None)
        if better is None:
            raise UserError(
                f"Whether more or less of {subject.name} is better is not known.",
                f"Sort by it: -{subject.name} has the greatest first, {subject.name} the least.",
            )
        if key.summary in (None, "best"):
            subject = Metric(subject.name, subject.number, "max" if better == "higher" else "min", "best")
        order = Order(self._compiler, (SortKey(subject, better == "higher"),))
        found = self._runs(order, 1, None)
        return found[0].run if found and found[0].phase == 0 else None

    def fields(self, keys: Sequence[str]) -> dict[str, Subject]:
        """What each of those keys stands for."""
        return {key: self._keys.find(parse_key(key)[0], key) for key in keys}

    def explain(self, size: int | None, after: Cursor | None = None) -> str:
        """The reading in words, and the SQL; on SQLite with its plan."""
        said = ["Runs", explain(self.tree, 1)]
        said += [
            f"sorted by {describe(key.subject)}, the {'greatest' if key.falling else 'least'} first"
            for key in self.order
        ]
        if not self.order:
            said.append("the newest first")
        if self._connection is None:
            return "\n".join([*said, "There is no database yet."])
        order = Order(self._compiler, self.order or (NEWEST,))
        for phase, query in self._statements(order, size, after):
            made = query.compile(self._connection, compile_kwargs={"render_postcompile": True})
            title = (
                "SQL"
                if phase == 0
                else "SQL, then for runs without that value"
                if phase == order.phases - 1
                else "SQL, then"
            )
            said += ["", f"{title}:", str(made), f"with {dict(made.params)}"]
            if self._connection.dialect.name == "sqlite":
                values = tuple(made.params[name] for name in made.positiontup or ())
                rows = self._connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {made}", values).all()
                said += ["Plan:", *_indented(rows)]
        return "\n".join(said)

    @property
    def _compiler(self) -> Compiler:
        asks = any(each.subject == _STATUS for each in _conditions(self.tree))
        asks = asks or any(key.subject == _STATUS for key in self.order)
        sqlite = self._connection is None or self._connection.dialect.name == "sqlite"
        return Compiler(sqlite, self.lost if asks else ())

    def _runs(self, order: Order, size: int | None, after: Cursor | None) -> list[Cursor]:
        assert self._connection is not None
        found: list[Cursor] = []
        for phase, query in self._statements(order, size, after):
            rows = self._connection.execute(query.limit(None if size is None else size - len(found)))
            found += [Cursor(phase, tuple(row[1:]), row[0]) for row in rows]
            if size is not None and len(found) >= size:
                break
        return found

    def _statements(self, order: Order, size: int | None, after: Cursor | None) -> Iterator[tuple[int, Select[Any]]]:
        assert self._connection is not None
        found = plan(self._connection, self._compiler, self.tree, size)
        for phase in range(0 if after is None else after.phase, order.phases):
            yield phase, order.page(phase, found.where, after, size, found.few)

    def _sort_key(self, text: str) -> SortKey:
        key, falling = parse_key(text)
        subject = self._keys.find(key, text)
        if not sortable(subject):
            raise UserError(
                f"Runs cannot be sorted by {shown(str(key))}: one can have several.", "Filter by it instead."
            )
        return SortKey(subject, falling)


def _conditions(tree: Tree[Condition]) -> Iterator[Condition]:
    if isinstance(tree, All | Some):
        for part in tree.parts:
            yield from _conditions(part)
    elif isinstance(tree, Not):
        yield from _conditions(tree.part)
    else:
        yield tree


def _indented(rows: Sequence[Any]) -> list[str]:
    """The rows of EXPLAIN QUERY PLAN (id, parent, unused, detail) as a tree."""
    depth = {0: 0}
    lines = []
    for number, parent, _, detail in rows:
        depth[number] = depth.get(parent, 0) + 1
        lines.append(f"{'  ' * depth[number]}{detail}")
    return lines
