"""Whether a filter's runs are found by the index of a term, or by walking along the order that is wanted.

PostgreSQL knows its data and decides for itself. SQLite does not know how many rows a range of an index has. So some
runs, spread over all, are asked first: where enough of them fit, a page is full after a short walk. Otherwise the
rows of each term are counted, up to a number that is quick, and the term that has the fewest is where to begin.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, func, select

from modrack_registry.store import schema
from modrack_registry.store.filter.bind import Condition
from modrack_registry.store.filter.compile import Compiler, members_of
from modrack_registry.store.filter.nodes import All, Tree

# With fewer runs than that every way is quick.
SMALL = 2000
_ASKED = 300
# So long a walk takes some milliseconds.
_SHORT = 3000
_MOST_COUNTED = 30_000
# To find a run by an index and to sort it takes about half as long again as to pass it by.
_SORTING = 1.5


@dataclass(frozen=True)
class Plan:
    """A condition on `schema.run`, and whether its runs are best found first and sorted then."""

    where: ColumnElement[bool]
    few: bool


def plan(connection: Connection, compiler: Compiler, tree: Tree[Condition], wanted: int | None) -> Plan:
    """How to find the first `wanted` runs (None: all) that fit `tree`."""
    parts = _flat(tree)
    where = compiler.where(tree)
    if not compiler.sqlite or not parts:
        return Plan(where, few=False)
    newest = connection.scalar(select(func.max(schema.run.c.id))) or 0
    if newest < SMALL:
        return Plan(where, few=False)
    walked = newest if wanted is None else min(newest, int(wanted / _share(connection, newest, where)))
    if walked <= _SHORT:
        return Plan(where, few=False)
    members = [compiler.members(part) if isinstance(part, Condition) else None for part in parts]
    indexed = [(place, found) for place, found in enumerate(members) if found is not None]
    if indexed:
        counts = [
            select(func.count()).select_from(found.limit(_MOST_COUNTED).subquery()).scalar_subquery()
            for _, found in indexed
        ]
        counted = list(connection.execute(select(*counts)).one())
        least = min(range(len(indexed)), key=counted.__getitem__)
        if counted[least] < _MOST_COUNTED and counted[least] * _SORTING <= walked:
            place, found = indexed[least]
            others = (compiler.where(part) for part in (*parts[:place], *parts[place + 1 :]))
            return Plan(and_(schema.run.c.id.in_(found), *others), few=True)
    # Nearly all runs have to be looked at: that is quicker in the order in which they lie.
    return Plan(where, few=wanted is not None and walked > newest // 5)


def _share(connection: Connection, newest: int, where: ColumnElement[bool]) -> float:
    """How many of all runs fit, roughly; never 0."""
    some = members_of(True, range(newest, 0, -max(1, newest // _ASKED)))
    query = select(func.count()).select_from(schema.run)
    found = connection.scalar(query.where(schema.run.c.id.in_(some), where)) or 0
    return (found + 0.5) / _ASKED


def _flat(tree: Tree[Condition]) -> list[Tree[Condition]]:
    """The parts of which all must hold."""
    return [each for part in tree.parts for each in _flat(part)] if isinstance(tree, All) else [tree]
