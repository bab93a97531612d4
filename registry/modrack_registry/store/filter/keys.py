"""Finds what a key of a filter stands for, in the database that is asked."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, exists, or_, select

from modrack_registry.errors import UserError
from modrack_registry.store import schema
from modrack_registry.store.filter.mistakes import mistake, shown
from modrack_registry.store.filter.nodes import Key
from modrack_registry.store.filter.scan import known_summaries
from modrack_registry.store.filter.subjects import (
    ATTRIBUTES,
    KINDS,
    SUMMARIES,
    Metric,
    Param,
    Parts,
    Plugins,
    Subject,
    Tags,
)
from modrack_registry.suggest import did_you_mean

_SETS: dict[str, Subject] = {"tag": Tags(), "tags": Tags(), "plugin": Plugins()}
# What can be asked for before there is any run.
_ALWAYS = (*ATTRIBUTES, *KINDS, "tag", "plugin")


class Keys:
    """Attribute, kind, option by its path, metric by its name, then the end of just one option's or metric's name.

    Options go before metrics there: a schedule is logged as `train.lr`, and `lr` means `optimizer.lr` all the same.
    Without a connection nothing but attributes is known.
    """

    def __init__(self, connection: Connection | None) -> None:
        self._connection = connection
        self._found: dict[tuple[str, str | None], Subject] = {}

    def find(self, key: Key, text: str) -> Subject:
        """What `key` stands for. Raises UserError, pointing into `text`, for one unknown or ambiguous."""
        known = (key.text, key.summary)
        if known not in self._found:
            self._found[known] = self._find(key, text)
        return self._found[known]

    def _find(self, key: Key, text: str) -> Subject:
        if key.summary is None and not key.quoted:
            if key.text in ATTRIBUTES:
                return ATTRIBUTES[key.text]
            if key.text in _SETS:
                return _SETS[key.text]
            if key.text in KINDS or self._is_kind(key.text):
                return Parts(key.text)
        rows = self._named(key.text)
        exact = [row for row in rows if row.text == key.text]
        for found in (exact, [row for row in rows if row.text != key.text]):
            params = [row for row in found if row.numbers or row.texts or row.nones]
            if key.summary is None and params:
                row = self._only(params, key, text)
                return Param(row.text, row.id, bool(row.numbers), bool(row.texts))
            metrics = [row for row in found if row.metric]
            if metrics:
                return self._metric(self._only(metrics, key, text), key, text)
        raise self._unknown(key, text)

    def _named(self, name: str) -> list[Any]:
        """Names that are `name` or end on it, each with what it is the name of."""
        if self._connection is None:
            return []
        escaped = re.sub(r"([%_\\])", r"\\\1", name)
        rows = self._connection.execute(_named(), {"name": name, "end": f"%.{escaped}"}).all()
        return [row for row in rows if row.text == name or row.text.endswith(f".{name}")]

    def _metric(self, row: Any, key: Key, text: str) -> Metric:
        said = key.summary or "last"
        column = SUMMARIES[said]
        if column is None:
            better = self.direction(row.text, row.better)
            if better is None:
                raise mistake(
                    text,
                    key.at,
                    f"Whether more of {row.text} is better is not known.",
                    f"Ask for {row.text}@max or {row.text}@min.",
                )
            column = "max" if better == "higher" else "min"
        return Metric(row.text, row.id, column, said)

    def direction(self, metric: str, better: str | None) -> str | None:
        """`higher` or `lower`: what is noted for the metric, or for `accuracy` where it is `test.accuracy`."""
        ends = [metric]
        while "." in ends[-1]:
            ends.append(ends[-1].partition(".")[2])
        if better is None and self._connection is not None:
            table = schema.name.c
            query = select(table.text, table.better).where(table.text.in_(ends), table.better.is_not(None))
            noted = {str(text): str(found) for text, found in self._connection.execute(query)}
            better = next((noted[end] for end in ends if end in noted), None)
        return better or ("lower" if ends[-1] == "loss" else None)

    def _is_kind(self, name: str) -> bool:
        if self._connection is None:
            return False
        return self._connection.execute(_kind(), {"kind": name}).first() is not None

    def _only(self, rows: list[Any], key: Key, text: str) -> Any:
        if len(rows) == 1:
            return rows[0]
        choices = [row.text for row in rows[:8]]
        more = f", and {len(rows) - 8} more" if len(rows) > 8 else ""
        raise mistake(text, key.at, f"{shown(str(key))} is ambiguous.", f"It is {' or '.join(choices)}{more}.")

    def _unknown(self, key: Key, text: str) -> UserError:
        name, mark, summary = key.text.rpartition("@")
        if mark and name and not key.quoted and any(row.metric for row in self._named(name)):
            return mistake(text, key.at + len(name), f"There is no {shown(f'@{summary}')}.", known_summaries())
        metrics = key.summary is not None
        names = self._in_use(metrics)
        what = "metric" if metrics else "attribute, option or metric"
        choices = names if metrics else [*_ALWAYS, *names]
        hint = _nearest(key.text, choices) if names or not metrics else "There is no metric yet."
        return mistake(text, key.at, f"There is no {what} {shown(key.text)}.", hint)

    def _in_use(self, metrics: bool) -> list[str]:
        """The names of metrics, or of options too."""
        if self._connection is None:
            return []
        name, uses = schema.name.c, [exists().where(schema.series.c.name == schema.name.c.id)]
        if not metrics:
            uses.append(exists().where(schema.param.c.name == schema.name.c.id))
        return list(self._connection.execute(select(name.text).where(or_(*uses))).scalars())


# Statements are made once: that takes longer than to carry them out.
@lru_cache(maxsize=1)
def _named() -> Select[Any]:
    table, param, series = schema.name.c, schema.param.c, schema.series.c

    def has(*where: ColumnElement[bool]) -> ColumnElement[bool]:
        return exists().where(param.name == table.id, *where)

    # True and false are kept as texts too. Three looks into the index instead of a walk along it.
    texts = or_(has(param.text < "false"), has(param.text > "false", param.text < "true"), has(param.text > "true"))
    query = select(
        table.id,
        table.text,
        table.better,
        has(param.number.is_not(None)).label("numbers"),
        texts.label("texts"),
        has().label("nones"),
        exists().where(series.name == table.id).label("metric"),
    )
    named = or_(table.text == bindparam("name"), table.text.like(bindparam("end"), escape="\\"))
    return query.where(named).order_by(table.text)


@lru_cache(maxsize=1)
def _kind() -> Select[Any]:
    return select(schema.component.c.id).where(schema.component.c.kind == bindparam("kind")).limit(1)


def _nearest(name: str, choices: list[str]) -> str:
    """A suggestion among whole names, or among their last pieces."""
    hint = did_you_mean(name, choices)
    if hint.startswith("Did"):
        return hint
    last: dict[str, list[str]] = {}
    for each in choices:
        last.setdefault(each.rpartition(".")[2], []).append(each)
    near = did_you_mean(name, last)
    if near.startswith("Did"):
        return near
    return hint
