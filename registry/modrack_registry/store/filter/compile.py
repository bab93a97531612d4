"""From conditions to bound SQL over the table `run`, with a subquery for each term; no term touches a point."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    FromClause,
    Select,
    and_,
    cast,
    collate,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy import Text as TextType
from sqlalchemy.sql.expression import UnaryExpression
from sqlalchemy.sql.operators import custom_op

from modrack_registry.store import schema
from modrack_registry.store.filter import checks
from modrack_registry.store.filter.bind import Condition
from modrack_registry.store.filter.checks import Check
from modrack_registry.store.filter.evaluate import Cell, holds
from modrack_registry.store.filter.nodes import All, Not, Some, Tree
from modrack_registry.store.filter.subjects import STATUSES, Attribute, Metric, Param, Parts, Plugins, Tags
from modrack_registry.store.status import ALIVE

Where = ColumnElement[bool]
# To make an alias takes longer than most queries.
_OTHER = schema.run.alias("other")


@dataclass(frozen=True)
class Columns:
    """Where a value is kept: the columns of a `Cell`."""

    number: ColumnElement[Any] | None = None
    text: ColumnElement[Any] | None = None
    type: ColumnElement[Any] | None = None
    whole: bool = False  # whole numbers


@dataclass(frozen=True)
class Compiler:
    """Makes SQL for one kind of database. `lost` are the runs that say they run and do not."""

    sqlite: bool
    lost: Sequence[int] = ()

    def where(self, tree: Tree[Condition], run: FromClause = schema.run) -> Where:
        """The filter as a condition on `run`; true or false, or NULL for false."""
        if isinstance(tree, All):
            return and_(true(), *(self.where(part, run) for part in tree.parts))
        if isinstance(tree, Some):
            return or_(false(), *(self.where(part, run) for part in tree.parts))
        if isinstance(tree, Not):
            return _refused(self.where(tree.part, run))
        found = self._source(tree)
        if found is not None:
            table, owner, where = found
            return exists(select(literal(1)).select_from(table).where(owner == run.c.id, where).correlate(run))
        return self._attribute(tree, run, aside=True)

    def members(self, condition: Condition) -> Select[Any] | None:
        """The numbers of the runs that satisfy one term, by an index; None where no index has them."""
        subject = condition.subject
        if not _by_index(condition.check) or (
            isinstance(subject, Metric) and subject.column not in ("last", "min", "max")
        ):
            return None
        if isinstance(subject, Param) and isinstance(condition.check, checks.AnyOf):
            # Each by itself: an index has numbers or texts, and an OR inside would make SQLite read all of it.
            return self._united(subject, condition.check.checks)
        found = self._source(condition)
        if found is not None:
            table, owner, where = found
            return select(owner).select_from(table).where(where)
        if isinstance(subject, Attribute) and subject.indexed:
            return select(_OTHER.c.id).where(self._attribute(condition, _OTHER, aside=False))
        return None

    def _united(self, subject: Param, each: Sequence[Check]) -> Select[Any]:
        param = schema.param
        here = Columns(param.c.number, param.c.text, param.c.type)
        equal = [check for check in each if isinstance(check, checks.Number) and check.order == "="]
        same = [check for check in each if isinstance(check, checks.Text) and check.order == "="]
        rest = [check for check in each if check not in equal and check not in same]
        some = [checks.AnyOf(tuple(group)) for group in (equal, same) if group]
        found = [
            select(param.c.run).where(param.c.name == subject.number, self.check(check, here))
            for check in [*some, *rest]
        ]
        return found[0] if len(found) == 1 else select(union_all(*found).subquery().c.run)

    def _source(self, condition: Condition) -> tuple[FromClause, ColumnElement[Any], Where] | None:
        """The table that keeps the values of a term, its column of runs, and which of its rows satisfy the term."""
        subject, check = condition.subject, condition.check
        if isinstance(subject, Param):
            param = schema.param
            here = Columns(param.c.number, param.c.text, param.c.type)
            return param, param.c.run, and_(param.c.name == subject.number, self.check(check, here))
        if isinstance(subject, Metric):
            series = schema.series
            here = Columns(number=series.c[subject.column], whole=subject.whole)
            some = series.c.n > 0 if subject.whole else true()  # the rest is NULL there, and indices hold all of it
            return series, series.c.run, and_(series.c.name == subject.number, some, self.check(check, here))
        if isinstance(subject, Tags):
            tag = schema.tag
            return tag, tag.c.run, self.check(check, Columns(text=tag.c.text))
        if isinstance(subject, Parts | Plugins):
            used, part = schema.used, schema.component
            if isinstance(subject, Parts):
                names = [self.check(check, Columns(text=column)) for column in (part.c.name, part.c.full)]
                which = and_(part.c.kind == subject.kind, or_(*names))
            else:
                which = self.check(check, Columns(text=part.c.plugin))
            return used, used.c.run, used.c.component.in_(select(part.c.id).where(which))
        return None

    def _attribute(self, condition: Condition, run: FromClause, aside: bool) -> Where:
        """A term about a column of `run`. `aside` keeps SQLite from walking the column's index, for want of which it
        would sort all that it finds.
        """
        assert isinstance(condition.subject, Attribute)
        subject = condition.subject
        column: ColumnElement[Any] = run.c[subject.name]
        if subject.sort == "status":
            return self._status(condition.check, run)
        if aside and self.sqlite:
            column = UnaryExpression(column, operator=custom_op("+"), type_=column.type)
        if subject.sort in ("text", "commit"):
            return self.check(condition.check, Columns(text=column))
        return self.check(condition.check, Columns(number=column, whole=subject.sort == "integer"))

    def _status(self, check: Check, run: FromClause) -> Where:
        """Which of the few statuses satisfy the check is settled here; `lost` is none that is written."""
        wanted = [status for status in STATUSES if holds(check, Cell("", None, status))]
        gone = run.c.id.in_(members_of(self.sqlite, self.lost))
        alive = [status for status in wanted if status in ALIVE]
        found: list[Where] = [run.c.status.in_([status for status in wanted if status not in ALIVE])]
        if alive:
            found.append(and_(run.c.status.in_(alive), not_(gone)) if self.lost else run.c.status.in_(alive))
        if "lost" in wanted and self.lost:
            found.append(gone)
        return or_(*found)

    def check(self, check: Check, here: Columns) -> Where:
        """A check on the columns that keep a value; NULL for false."""
        if isinstance(check, checks.Number):
            return false() if here.number is None else _compare(*_numbers(here, check.value), check.order)
        if isinstance(check, checks.Within):
            if here.number is None:
                return false()
            low = [] if check.low is None else [_compare(*_numbers(here, check.low), ">=")]
            high = [] if check.high is None else [_compare(*_numbers(here, check.high), "<" if check.short else "<=")]
            return and_(here.number.is_not(None), *low, *high)
        if isinstance(check, checks.Present):
            return or_(*(column.is_not(None) for column in (here.number, here.text) if column is not None))
        if isinstance(check, checks.IsNone):
            return false() if here.type is None else here.type == "none"
        if isinstance(check, checks.AnyOf):
            return self._any(check.checks, here)
        if isinstance(check, checks.Other):
            return and_(self.check(checks.Present(), here), _refused(self.check(check.check, here)))
        if here.text is None:
            return false()
        if isinstance(check, checks.Text):
            column = here.text if check.order == "=" or self.sqlite else collate(here.text, "C")
            return _compare(column, literal(check.value, TextType), check.order)
        if isinstance(check, checks.Contains):
            low_text = func.lower(here.text if self.sqlite else collate(here.text, "C"))
            place = func.instr if self.sqlite else func.strpos
            return place(low_text, literal(check.value, TextType)) > 0
        return self._like(here.text, check.pattern)

    def _any(self, each: Sequence[Check], here: Columns) -> Where:
        """Many equal values as one IN: a chain of as many ORs is deeper than SQLite allows."""
        equal = [check.value for check in each if isinstance(check, checks.Number) and check.order == "="]
        same = [check.value for check in each if isinstance(check, checks.Text) and check.order == "="]
        rest = [check for check in each if not (isinstance(check, checks.Number | checks.Text) and check.order == "=")]
        found = [self.check(check, here) for check in rest]
        if equal and here.number is not None:
            exact = [value for value in equal if here.whole and isinstance(value, int)]
            rough = [float(value) for value in equal if not (here.whole and isinstance(value, int))]
            if exact:
                found.append(here.number.in_([literal(value, BigInteger) for value in exact]))
            if rough:
                column = cast(here.number, Double) if here.whole else here.number
                found.append(column.in_([literal(value, Double) for value in rough]))
        if same and here.text is not None:
            found.append(here.text.in_([literal(value, TextType) for value in same]))
        return or_(false(), *found)

    def _like(self, column: ColumnElement[Any], pattern: str) -> Where:
        if self.sqlite:
            return column.op("GLOB", is_comparison=True)(literal(pattern.replace("[", "[[]"), TextType))
        signs = {"*": "%", "?": "_", "%": r"\%", "_": r"\_", "\\": r"\\"}
        return column.like("".join(signs.get(char, char) for char in pattern), escape="\\")


def members_of(sqlite: bool, numbers: Sequence[int]) -> Any:
    """What a column can be `in_`; on SQLite one JSON text, since a list of parameters would have a longest length."""
    if sqlite:
        return select(func.json_each(json.dumps(list(numbers))).table_valued("value").c.value)
    return list(numbers)


def _refused(where: Where) -> Where:
    return not_(func.coalesce(where, false()))


def _by_index(check: Check) -> bool:
    if isinstance(check, checks.AnyOf):
        return all(_by_index(each) for each in check.checks)
    return isinstance(check, checks.Number | checks.Within | checks.Text)


def _numbers(here: Columns, value: int | float) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """A column of numbers and a value that can be compared: PostgreSQL would round a float to fit a whole number."""
    assert here.number is not None
    if here.whole and isinstance(value, int):
        return here.number, literal(value, BigInteger)
    if here.whole and math.isfinite(value) and value == int(value) and abs(value) < 2**63:
        return here.number, literal(int(value), BigInteger)
    return cast(here.number, Double) if here.whole else here.number, literal(float(value), Double)


def _compare(column: ColumnElement[Any], value: ColumnElement[Any], order: str) -> Where:
    compared = {
        "=": column == value,
        "<": column < value,
        "<=": column <= value,
        ">": column > value,
        ">=": column >= value,
    }
    return compared[order]
