"""Whether a filter's runs are found by a term's index, or by walking along the order that is wanted.

PostgreSQL knows its data and decides for itself. SQLite does not know how many rows a range of an index has, so that
is counted here, up to a number that is quick: reading along the order is fine where many runs fit, and reads the whole
table where few do.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from sqlalchemy import ColumnElement, Connection, and_, func, select, true

from modrack_registry.store import schema
from modrack_registry.store.filter.bind import Condition
from modrack_registry.store.filter.compile import Compiler
from modrack_registry.store.filter.nodes import All, Tree

# With fewer runs than that every way is quick.
SMALL = 2000
# Counting goes no further; it takes about a millisecond.
_MOST_COUNTED = 10_000
# To sort a run takes about half as long again as to pass it by.
_SORTING = 1.5


@dataclass(frozen=True)
class Plan:
    """A condition on `schema.run`, and whether it is best asked first and its runs sorted then."""

    where: ColumnElement[bool]
    few: bool


def plan(connection: Connection, compiler: Compiler, tree: Tree[Condition], wanted: int | None) -> Plan:
    """How to find the first `wanted` runs (None: all) that fit `tree`."""
    parts = _flat(tree)
    simple = Plan(compiler.where(tree), few=False)
    if not compiler.sqlite or not parts:
        return simple
    members = [compiler.members(part) if isinstance(part, Condition) else None for part in parts]
    indexed = [(part, found) for part, found in zip(parts, members, strict=True) if found is not None]
    newest = connection.scalar(select(func.max(schema.run.c.id))) or 0
    if not indexed or newest < SMALL:
        return simple
    counts = [
        select(func.count()).select_from(found.limit(_MOST_COUNTED + 1).subquery()).scalar_subquery()
        for _, found in indexed
    ]
    counted = [
        count if count <= _MOST_COUNTED else max(count, newest // 3)
        for count in connection.execute(select(*counts)).one()
    ]
    share = prod(min(1.0, count / newest) for count in counted)
    walked = newest if wanted is None or share == 0 else min(newest, wanted / share)
    # Those that refuse most come first.
    ranked = sorted(zip(counted, range(len(indexed)), strict=True))
    least, place = ranked[0]
    others = [indexed[at][0] for _, at in ranked[1:]] + [
        part for part, found in zip(parts, members, strict=True) if found is None
    ]
    if least * _SORTING > walked:
        first = indexed[place][0]
        return Plan(and_(true(), *(compiler.where(part) for part in [first, *others])), few=False)
    chosen = schema.run.c.id.in_(indexed[place][1])
    return Plan(and_(chosen, *(compiler.where(part) for part in others)), few=True)


def _flat(tree: Tree[Condition]) -> list[Tree[Condition]]:
    """The parts of which all must hold."""
    return [each for part in tree.parts for each in _flat(part)] if isinstance(tree, All) else [tree]
