"""Chosen columns of many runs, in one query for each table that has some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan
from typing import Any

from sqlalchemy import Connection, select

from modrack_registry.store import schema
from modrack_registry.store.filter.compile import members_of
from modrack_registry.store.filter.subjects import (
    KINDS,
    Attribute,
    Metric,
    Param,
    Parts,
    Plugins,
    Subject,
    Tags,
)
from modrack_registry.store.run import moment
from modrack_registry.store.values import unpack


def read_fields(
    connection: Connection, runs: Sequence[int], fields: Mapping[str, Subject], lost: Sequence[int]
) -> list[dict[str, Any]]:
    """A dict for each run, in the order of `runs`; None for what a run does not have, NaN for a metric that is NaN."""
    chosen = members_of(connection.dialect.name == "sqlite", runs)
    found: dict[int, dict[str, Any]] = {run: dict.fromkeys(fields) for run in runs}
    columns = {label: _column(each) for label, each in fields.items()}
    _attributes(connection, chosen, {label: name for label, name in columns.items() if name}, found, set(lost))
    _params(connection, chosen, {label: each for label, each in fields.items() if isinstance(each, Param)}, found)
    _metrics(connection, chosen, {label: each for label, each in fields.items() if isinstance(each, Metric)}, found)
    for label, each in fields.items():
        if columns[label] is None and isinstance(each, Tags | Parts | Plugins):
            _lists(connection, chosen, label, each, found)
    return list(found.values())


def _column(subject: Subject) -> str | None:
    """The column of `run` that holds it."""
    if isinstance(subject, Attribute):
        return subject.name
    return subject.kind if isinstance(subject, Parts) and subject.kind in KINDS else None


def _attributes(
    connection: Connection, chosen: Any, columns: dict[str, str], found: dict[int, dict[str, Any]], lost: set[int]
) -> None:
    if not columns:
        return
    run = schema.run.c
    for row in connection.execute(select(schema.run).where(run.id.in_(chosen))).mappings():
        for label, name in columns.items():
            value = row[name]
            if name in ("started", "ended"):
                value = moment(value)
            elif name == "status" and row["id"] in lost:
                value = "lost"
            found[row["id"]][label] = value


def _params(connection: Connection, chosen: Any, params: dict[str, Param], found: dict[int, dict[str, Any]]) -> None:
    if not params:
        return
    table = schema.param.c
    numbers = [each.number for each in params.values()]
    labels: dict[int, list[str]] = {}
    for label, each in params.items():
        labels.setdefault(each.number, []).append(label)
    for row in connection.execute(select(schema.param).where(table.run.in_(chosen), table.name.in_(numbers))):
        for label in labels[row.name]:
            found[row.run][label] = unpack(row.type, row.number, row.text)


def _metrics(connection: Connection, chosen: Any, metrics: dict[str, Metric], found: dict[int, dict[str, Any]]) -> None:
    if not metrics:
        return
    table = schema.series.c
    numbers = [each.number for each in metrics.values()]
    query = select(schema.series).where(table.run.in_(chosen), table.name.in_(numbers), table.n > 0)
    for row in connection.execute(query).mappings():
        for label, each in metrics.items():
            if each.number == row["name"]:
                value = row[each.column]
                found[row["run"]][label] = nan if value is None else value


def _lists(
    connection: Connection,
    chosen: Any,
    label: str,
    subject: Tags | Parts | Plugins,
    found: dict[int, dict[str, Any]],
) -> None:
    """What a run can have several of, as a list."""
    for values in found.values():
        values[label] = []
    if isinstance(subject, Tags):
        tag = schema.tag.c
        rows = connection.execute(select(tag.run, tag.text).where(tag.run.in_(chosen)).order_by(tag.text))
    else:
        used, part = schema.used.c, schema.component.c
        query = select(used.run, part.plugin if isinstance(subject, Plugins) else part.name)
        query = query.join_from(schema.used, schema.component, used.component == part.id)
        if isinstance(subject, Parts):
            query = query.where(part.kind == subject.kind)
        rows = connection.execute(query.where(used.run.in_(chosen)).order_by(used.run, used.position))
    for run, text in rows:
        if text not in found[run][label]:
            found[run][label].append(text)
