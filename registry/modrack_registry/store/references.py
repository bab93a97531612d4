"""What stands for a run where one is asked for: its number, or a question that one run answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from modrack_registry.errors import UserError
from modrack_registry.store import schema

if TYPE_CHECKING:
    from modrack_registry.store.store import Store

_SHAPES = "A run is its number, @last, @last:FILTER, @best:METRIC or '@best:METRIC FILTER'."


def resolve(store: Store, reference: str) -> int:
    """The number of a run.

    `12`; `@last`, the newest; `@last:FILTER`, the newest that fits; `@best:METRIC`, the one with the best value of a
    metric, among those that fit where a filter follows a space. Raises UserError where no run is meant by it.
    """
    word = reference.strip()
    if word.isascii() and word.isdigit():
        return _numbered(store, int(word))
    name, _, rest = word.partition(":")
    if name == "@last":
        found = store.runs(rest).limit(1).select_ids()
        if not found:
            raise UserError(f"No run fits {rest!r}." if rest else f"There is no run in {store.database.place}.")
        return found[0]
    if name == "@best":
        metric, _, filter = rest.strip().partition(" ")
        if not metric:
            raise UserError("@best lacks a metric.", "Like @best:test.accuracy.")
        return store.runs(filter).best(metric).id
    raise UserError(f"{reference!r} names no run.", _SHAPES)


def _numbered(store: Store, number: int) -> int:
    run = schema.run.c
    with store.database.read() as connection:
        if connection is not None and number < 2**31:
            found = connection.scalar(select(run.id).where(run.id == number))
            if found is not None:
                return int(found)
    raise UserError(f"There is no run {number} in {store.database.place}.", "`modrack runs list` shows them.")
