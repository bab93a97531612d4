"""A column of labels as classes (one or several a row) or numbers, the same over all splits."""

from __future__ import annotations

from typing import Any

import modrack

# Whole numbers with more distinct values than this are measured, not named.
MOST_CLASSES = 1000


def encode_labels(
    columns: dict[str, list[Any]], where: dict[str, str], separator: str | None
) -> tuple[Any, dict[str, Any]]:
    """(feature, {split: values}) of the label columns of all splits; `where` says for each split what to call it.

    Names come from train, sorted. Raises UserError for a missing label, for one that only another split has, and
    where there is one class only.
    """
    from datasets import ClassLabel, Sequence, Value

    for split, values in columns.items():
        for row, value in enumerate(values, 1):
            if value is None or value == "":
                raise modrack.UserError(
                    f"{where[split]}, row {row}: there is no label.", "Fill it in, or drop the row."
                )
    train = columns["train"]
    if separator is not None:
        columns = {split: [_parts(value, separator) for value in values] for split, values in columns.items()}
        train = columns["train"]
    if isinstance(train[0], (list, tuple)):
        names = _names([label for row in train for label in row], where["train"])
        numbers = {name: number for number, name in enumerate(names)}
        encoded = {
            split: [
                [_number(numbers, label, row, where[split]) for label in labels] for row, labels in enumerate(values, 1)
            ]
            for split, values in columns.items()
        }
        return Sequence(ClassLabel(names=names)), encoded
    if any(isinstance(value, float) and not value.is_integer() for value in train):
        return Value("float32"), columns
    if all(isinstance(value, (int, float)) for value in train) and len(set(train)) > MOST_CLASSES:
        return Value("float32"), columns
    names = _names(train, where["train"])
    numbers = {name: number for number, name in enumerate(names)}
    return ClassLabel(names=names), {
        split: [_number(numbers, value, row, where[split]) for row, value in enumerate(values, 1)]
        for split, values in columns.items()
    }


def _names(values: list[Any], where: str) -> list[str]:
    distinct = set(values)
    ordered = sorted(distinct) if all(isinstance(value, (int, float, bool)) for value in distinct) else None
    names = [_spelled(value) for value in ordered] if ordered is not None else sorted(map(_spelled, distinct))
    if len(names) < 2:
        raise modrack.UserError(f"{where}: there is one class only ({names[0]}).", "It takes two to tell apart.")
    return names


def _number(numbers: dict[str, int], value: Any, row: int, where: str) -> int:
    name = _spelled(value)
    if name not in numbers:
        known = ", ".join(list(numbers)[:8])
        raise modrack.UserError(
            f"{where}, row {row}: the label {name!r} does not occur in train.", f"Train has: {known}."
        )
    return numbers[name]


def _spelled(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _parts(value: Any, separator: str) -> list[str]:
    return [part.strip() for part in str(value).split(separator) if part.strip()]
