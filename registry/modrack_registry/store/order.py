"""In which order runs come, page by page: each page goes on after the last run of the one before, by value and number.

What a run lacks comes last, whichever way the order goes; of an option's values, numbers come before texts. The first
key is therefore asked for in phases, each of which one index answers in order: the runs with a number there, those
with a text, those with neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    String,
    Table,
    and_,
    case,
    collate,
    exists,
    literal,
    or_,
    select,
    tuple_,
)

from modrack_registry.errors import UserError
from modrack_registry.store import schema
from modrack_registry.store.cursor import Cursor
from modrack_registry.store.filter.compile import Compiler, members_of
from modrack_registry.store.filter.subjects import ATTRIBUTES, KINDS, Attribute, Metric, Param, Parts, Subject

Where = ColumnElement[bool]


@dataclass(frozen=True)
class SortKey:
    """What to sort by, and whether the greatest comes first."""

    subject: Subject
    falling: bool


@dataclass(frozen=True)
class _Column:
    """A column to sort by; `sure` says that it is never NULL there."""

    value: ColumnElement[Any]
    falling: bool
    sure: bool = False


# To make an alias takes longer than most queries.
_LEADS = {table: table.alias("lead") for table in (schema.series, schema.param)}
_OWNER = schema.run.alias("owner")

NEWEST = SortKey(ATTRIBUTES["id"], True)


def sortable(subject: Subject) -> bool:
    """Whether a run has one value of it."""
    return isinstance(subject, Attribute | Param | Metric) or (isinstance(subject, Parts) and subject.kind in KINDS)


@dataclass(frozen=True)
class Order:
    """The statements for some sort keys; those alike in all of them come by number, the way of the first key."""

    compiler: Compiler
    keys: tuple[SortKey, ...] = (NEWEST,)

    @property
    def phases(self) -> int:
        """How many statements answer all of it, one after the other."""
        first = self.keys[0].subject
        if isinstance(first, Param):
            return 3
        return 1 if isinstance(first, Attribute) and first.always else 2

    def page(self, phase: int, where: Where, after: Cursor | None, size: int | None, few: bool) -> Select[Any]:
        """Rows of (run, value, value …), of the runs that fit `where`, a condition on `schema.run`.

        `few` says that these are not many: they are found first and sorted then. Otherwise the index of the first key
        is walked in order until the page is full.
        """
        first, rest = self.keys[0], self.keys[1:]
        lacking = phase > 0 and phase == self.phases - 1
        table = None if few or lacking else _leader(first.subject)
        lead = None if table is None else _LEADS[table]
        number = schema.run.c.id if lead is None else lead.c.run
        held = self._columns(first, number, lead)
        where = and_(schema.run.c.deleted.is_(None), where)
        columns = [] if lacking else [_Column(held[phase].value, first.falling, sure=True)]
        columns += [column for key in rest for column in self._columns(key, number, None)]
        labels = [column.value.label(f"v{place}") for place, column in enumerate(columns)]
        query = select(number.label("run"), *labels)
        if lead is None:
            query = query.select_from(schema.run).where(where)
        else:
            assert isinstance(first.subject, Param | Metric)
            fits = select(literal(1)).select_from(schema.run).where(schema.run.c.id == number, where).correlate(lead)
            query = query.select_from(lead).where(lead.c.name == first.subject.number, exists(fits))
        query = query.where(*(column.value.is_(None) for column in held[:phase]))
        if not lacking and not held[phase].sure:
            query = query.where(held[phase].value.is_not(None))
        if not any(column.value is number for column in columns):
            columns.append(_Column(number, first.falling, sure=True))
        if after is not None and after.phase == phase:
            query = query.where(_beyond(columns, [*after.values, after.run][: len(columns)]))
        for column in columns:
            nulls = [] if column.sure else [column.value.is_(None)]
            query = query.order_by(*nulls, column.value.desc() if column.falling else column.value.asc())
        return query.limit(size)

    def _columns(self, key: SortKey, number: ColumnElement[Any], lead: FromClause | None) -> list[_Column]:
        """What holds a key's values of the run `number`, in the order in which it counts."""
        subject, falling = key.subject, key.falling
        if isinstance(subject, Metric):
            return [_Column(_of(schema.series, subject.column, subject.number, number, lead), falling)]
        if isinstance(subject, Param):
            values = [_of(schema.param, name, subject.number, number, lead) for name in ("number", "text")]
            return [_Column(values[0], falling), _Column(self._bytewise(values[1]), falling)]
        name = subject.kind if isinstance(subject, Parts) else subject.name  # type: ignore[union-attr]
        if name == "id":
            return [_Column(number, falling, sure=True)]
        here = number is schema.run.c.id
        owner = schema.run if here else _OWNER
        value: ColumnElement[Any] = owner.c[name]
        if name == "status" and self.compiler.lost:
            lost = owner.c.id.in_(members_of(self.compiler.sqlite, self.compiler.lost))
            value = case((lost, "lost"), else_=value)
        if isinstance(owner.c[name].type, String):
            value = self._bytewise(value)
        if not here:
            value = select(value).where(owner.c.id == number).scalar_subquery()
        return [_Column(value, falling, sure=isinstance(subject, Attribute) and subject.always)]

    def _bytewise(self, text: ColumnElement[Any]) -> ColumnElement[Any]:
        """A text that sorts by its characters' numbers, not by a language."""
        return text if self.compiler.sqlite else collate(text, "C")


def _leader(subject: Subject) -> Table | None:
    """The table whose index has the runs in the order of `subject`."""
    if isinstance(subject, Metric) and subject.column in ("last", "min", "max"):
        return schema.series
    return schema.param if isinstance(subject, Param) else None


def _of(
    table: FromClause, column: str, name: int, number: ColumnElement[Any], lead: FromClause | None
) -> ColumnElement[Any]:
    if lead is not None:
        return lead.c[column]
    return select(table.c[column]).where(table.c.run == number, table.c.name == name).scalar_subquery()


def _beyond(columns: Sequence[_Column], values: Sequence[Any]) -> Where:
    """The rows that come after the one with `values`."""
    if len(columns) != len(values) or not all(
        not column.sure if value is None else isinstance(value, str) == isinstance(column.value.type, String)
        for column, value in zip(columns, values, strict=False)
    ):
        raise UserError("That is no place in these runs.", "Take the one that came with the page before.")
    typed = [literal(value, column.value.type) for column, value in zip(columns, values, strict=True)]
    if len({column.falling for column in columns}) == 1 and all(column.sure for column in columns):
        left, right = tuple_(*(column.value for column in columns)), tuple_(*typed)
        return left < right if columns[0].falling else left > right
    found: list[Where] = []
    alike: list[Where] = []
    for column, value, bound in zip(columns, values, typed, strict=True):
        if value is None:
            alike.append(column.value.is_(None))
            continue
        later = column.value < bound if column.falling else column.value > bound
        found.append(and_(*alike, later if column.sure else or_(later, column.value.is_(None))))
        alike.append(column.value == bound)
    # The first condition again, by itself: an index is entered at it.
    start = columns[0].value <= typed[0] if columns[0].falling else columns[0].value >= typed[0]
    return and_(start, or_(*found)) if columns[0].sure else or_(*found)
