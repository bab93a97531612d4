"""Rows of one dataset in the form of another: the same sort, columns by name, classes by name."""

from __future__ import annotations

from typing import Any

from modrack.data.facts import Data
from modrack.data.sorts import is_record
from modrack.data.splits import is_stream
from modrack_registry.errors import UserError

# Names that a message lists.
_FEW = 6


def conform(rows: Any, found: Data, wanted: Data, name: str, whose: str) -> tuple[Any, list[str]]:
    """`rows` of the dataset `found` as a model trained on `wanted` reads them, and remarks.

    Classes and a table's columns and categories are matched by name; a category that `wanted` lacks counts as
    missing. Raises UserError where sort, target, shape, or a name does not fit.
    """
    notes: list[str] = []
    _refuse_misfit(found, wanted, name, whose)
    for old, new in ((found.input, wanted.input), (found.label, wanted.label)):
        if old is not None and new is not None and old != new:
            rows = rows.remove_columns(new) if new in rows.features else rows
            rows = rows.rename_column(old, new)
    column, label = wanted.input, wanted.label
    # Characters are no classes: one that train lacks counts as a mistake.
    if label is not None and wanted.target == "several":
        change = _several(found, wanted, name, whose)
        rows = _mapped(rows, label, change, wanted.features[label]) if change is not None else rows
    elif label is not None and found.target != "text" and found.classes not in (None, wanted.classes):
        places = [(wanted.classes or []).index(each) for each in found.classes or []]
        rows = _mapped(rows, label, lambda value: _renumbered(value, places), wanted.features[label])
    feature = wanted.features[column]
    if is_record(feature) and rows.features[column] != feature:
        change, unknown = _record(rows.features[column], feature)
        rows = _mapped(rows, column, change, feature)
        notes += [f"{each}: run counts it as missing, since train lacks it" for each in unknown[:_FEW]]
    if wanted.gives == "audio" and rows.features[column] != feature:
        # Sounds are read at the rate that the model knows, whatever theirs is.
        rows = rows.cast_column(column, feature)
    return rows, notes


def _refuse_misfit(found: Data, wanted: Data, name: str, whose: str) -> None:
    if found.gives != wanted.gives:
        raise UserError(f"{name} gives {found.gives}; {whose} was trained on {wanted.gives}.")
    if wanted.label is not None and found.target != wanted.target:
        raise UserError(f"{name} has the target {found.target}; {whose} was trained on {wanted.target}.")
    if wanted.label is not None and found.target != "text":
        _refuse_unknown(found.classes or [], wanted.classes or [], name, whose)
    lacking = [each for each in wanted.inputs if each not in found.inputs]
    if lacking:
        raise UserError(
            f"{name} lacks {_counted(lacking, 'column', 'columns')} of {whose}: {_listed(lacking)}.",
            f"It has: {_listed(found.inputs)}.",
        )
    if not wanted.inputs and found.shape != wanted.shape:
        shapes = ["×".join(map(str, shape)) if shape else "any" for shape in (found.shape, wanted.shape)]
        raise UserError(f"{name}: a row has the shape {shapes[0]}; {whose} was trained on {shapes[1]}.")


def _refuse_unknown(found: list[str], known: list[str], name: str, whose: str) -> None:
    unknown = [each for each in found if each not in known]
    if unknown:
        raise UserError(
            f"{name} has {_counted(unknown, 'class', 'classes')} that {whose} was not trained on: {_listed(unknown)}.",
            f"It was trained on: {_listed(known)}.",
        )


def _record(before: dict[str, Any], after: dict[str, Any]) -> tuple[Any, list[str]]:
    """(what makes a row of `before` one of `after`, the categories that only `before` has)."""
    unknown: list[str] = []
    places: dict[str, list[int | None]] = {}
    for name, feature in after.items():
        one, other = (type(each).__name__ == "ClassLabel" for each in (before[name], feature))
        if one != other:
            kinds = ["categories" if each else "numbers" for each in (one, other)]
            raise UserError(f"The column {name!r} holds {kinds[0]}, and {kinds[1]} in what was trained on.")
        if one:
            known = {each: place for place, each in enumerate(feature.names)}
            places[name] = [known.get(each) for each in before[name].names]
            unknown += [f"{name}={each}" for each in before[name].names if each not in known]

    def change(row: dict[str, Any]) -> dict[str, Any]:
        return {
            name: row[name] if name not in places else None if row[name] is None else places[name][row[name]]
            for name in after
        }

    return change, unknown


def _renumbered(value: Any, places: list[int]) -> Any:
    if isinstance(value, list):
        return [_renumbered(each, places) for each in value]
    return places[value] if value is not None and value >= 0 else value


def _mapped(rows: Any, column: str, change: Any, feature: Any) -> Any:
    """`rows` with `change` applied to every value of a column, which then has another feature."""
    if is_stream(rows):
        features = rows.features.copy()
        features[column] = feature
        return rows.map(lambda row: {column: change(row[column])}, features=features)
    import pyarrow as pa
    from datasets import Dataset, Features

    table = rows.with_format("arrow")[:]
    features = Features({name: feature if name == column else each for name, each in rows.features.items()})
    schema = features.arrow_schema
    values = pa.array([change(value) for value in table.column(column).to_pylist()], schema.field(column).type)
    return Dataset(pa.table({name: values if name == column else table.column(name) for name in features}, schema))


def _counted(names: list[str], one: str, several: str) -> str:
    return f"a {one}" if len(names) == 1 else f"{len(names)} {several}"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_FEW]) + (f" and {len(names) - _FEW} more" if len(names) > _FEW else "")


def _several(found: Data, wanted: Data, name: str, whose: str) -> Any:
    """What turns a row's targets into those of the same names; None where they are alike."""
    there = found.targets
    places: dict[str, list[int]] = {}
    for target, facts in wanted.targets.items():
        if target not in there:
            raise UserError(f"{name} lacks the target {target!r} of {whose}.", f"It has: {_listed(list(there))}.")
        if there[target].target != facts.target:
            raise UserError(
                f"{name}: the target {target!r} is a {there[target].target}; {whose} was trained on a {facts.target}."
            )
        known, classes = facts.classes or [], there[target].classes or []
        _refuse_unknown(classes, known, f"{name}: {target}", whose)
        places[target] = [known.index(each) for each in classes]
    if found.features[found.label] == wanted.features[wanted.label] and list(there) == list(places):
        return None
    return lambda row: {
        target: _renumbered(row[target], renumbered) if renumbered else row[target]
        for target, renumbered in places.items()
    }
