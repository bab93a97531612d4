"""A column of labels as classes (one or several a row) or numbers, the same over all splits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import modrack
from modrack_plugins.datasets.numerals import as_numbers, numerals, refuse_odd_ones

# Whole numbers are classes where there are few of them: not more than FEW, or than MOST with ROWS rows each.
FEW, MOST, ROWS = 20, 1000, 5

Where = Mapping[str, Callable[[int], str]]


def encode_labels(
    columns: dict[str, list[Any]], where: Where, separator: str | None, like: modrack.Data | None = None
) -> tuple[Any, dict[str, list[Any]]]:
    """(feature, {split: values}) of the label columns of all splits; `where` says for a place in a split file and row.

    Names come from train, sorted, or from `like`. Raises UserError for a missing label, for one that only another
    split has (or `like` lacks), and where there is one class only.
    """
    from datasets import ClassLabel, Sequence, Value

    for split, values in columns.items():
        _refuse_missing(values, where[split])
    if separator is not None:
        columns = {split: [_parts(value, separator) for value in values] for split, values in columns.items()}
    train = columns["train"]
    # Of other data that are measured, train may be empty.
    shown = train or next(values for values in columns.values() if values)
    if isinstance(shown[0], list):
        for split, values in columns.items():
            _refuse_lists_without(values, where[split])
        names = _known(like) or _names([label for row in train for label in row], where["train"])
        return Sequence(ClassLabel(names=names)), _numbered(columns, names, where)
    if any(isinstance(value, list) for values in columns.values() for value in values[:1]):
        raise modrack.UserError("The labels of one split are lists, and those of train are not.")
    if like.target == "number" if like is not None else _are_measured(train):
        return Value("float32"), {
            split: as_numbers(values, "the label", where[split]) for split, values in columns.items()
        }
    if like is None and _are_measured(numerals(train)):
        # As classes each would be one of its own.
        refuse_odd_ones(train, "the label", where["train"])
    names = _known(like) or _names(train, where["train"])
    single = {split: [[value] for value in values] for split, values in columns.items()}
    return ClassLabel(names=names), {
        split: [each[0] for each in values] for split, values in _numbered(single, names, where).items()
    }


def is_missing(value: Any) -> bool:
    """Whether a cell holds nothing."""
    return (
        value is None
        or (isinstance(value, str) and not value.strip())
        or (isinstance(value, float) and math.isnan(value))
    )


def _known(like: modrack.Data | None) -> list[str] | None:
    return None if like is None else like.classes


def _refuse_missing(values: list[Any], where: Callable[[int], str]) -> None:
    for place, value in enumerate(values):
        if is_missing(value):
            raise modrack.UserError(f"{where(place)}: there is no label.", "Fill it in, or drop the row.")
        if value in (math.inf, -math.inf):
            raise modrack.UserError(
                f"{where(place)}: the label is {value}, which nothing can be fitted to.", "Correct it, or drop the row."
            )


def _refuse_lists_without(values: list[Any], where: Callable[[int], str]) -> None:
    """A row may have no label of several, but none that is empty."""
    for place, labels in enumerate(values):
        if not isinstance(labels, list):
            raise modrack.UserError(f"{where(place)}: the label {labels!r} is no list, and those of train are.")
        if any(label is None or label == "" for label in labels):
            raise modrack.UserError(f"{where(place)}: one of its labels is empty.", "Fill it in, or drop it.")


def _are_measured(values: list[Any]) -> bool:
    """Whether these are numbers to predict and not names of classes."""
    if not all(isinstance(value, (int, float)) for value in values):
        return False
    if any(isinstance(value, float) and not value.is_integer() for value in values):
        return True
    distinct = len(set(values))
    return distinct > FEW and (distinct > MOST or distinct * ROWS > len(values))


def _names(values: list[Any], where: Callable[[int], str]) -> list[str]:
    distinct = set(values)
    ordered = sorted(distinct) if all(isinstance(value, (int, float)) for value in distinct) else None
    names = [_spelled(value) for value in ordered] if ordered is not None else sorted(set(map(_spelled, distinct)))
    if len(names) < 2:
        file = where(0).rpartition(", row ")[0]
        raise modrack.UserError(
            f"{file}: there is one class only ({names[0] if names else 'none'}).", "It takes two to tell apart."
        )
    return names


def _numbered(columns: dict[str, list[Any]], names: list[str], where: Where) -> dict[str, list[Any]]:
    """Lists of labels as lists of their numbers; a mistake for each label that train lacks, at its first row."""
    numbers = {name: number for number, name in enumerate(names)}
    unknown: dict[str, str] = {}
    made: dict[str, list[Any]] = {}
    for split, values in columns.items():
        made[split] = []
        for place, labels in enumerate(values):
            spelled = [_spelled(label) for label in labels]
            if any(name not in numbers for name in spelled):
                for name in spelled:
                    if name not in numbers:
                        unknown.setdefault(name, where[split](place))
                continue
            made[split].append([numbers[name] for name in spelled])
    if unknown:
        told = [f"{file}: the label {name!r} does not occur in train." for name, file in list(unknown.items())[:3]]
        more = [f"{len(unknown) - 3} more labels do not either."] if len(unknown) > 3 else []
        known = ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
        raise modrack.UserError("\n".join(told + more), f"Train has: {known}.")
    return made


def _spelled(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _parts(value: Any, separator: str) -> list[str]:
    return [part.strip() for part in str(value).split(separator) if part.strip()]
