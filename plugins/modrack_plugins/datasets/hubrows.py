"""Splits of the Hub: the columns that are asked for, and labels as classes."""

from __future__ import annotations

import difflib
from typing import Any

import modrack
from modrack_plugins.datasets.columns import LABELS

# Rows of a stream that its columns' types are read from, where it does not say them.
LOOKED_AT = 100


def select(rows: Any, path: str, text: str | None, image: str | None, label: str | None) -> Any:
    """Only the columns that are named, the input first; all of them where none is. Raises UserError for a missing one.

    `rows` is a Dataset or an IterableDataset; the latter gets features from its first rows where it has none.
    """
    if rows.features is None:
        from datasets import Dataset

        rows = rows.cast(Dataset.from_list(list(rows.take(LOOKED_AT))).features)
    there = list(rows.features)
    for option, column in {"text": text, "image": image, "label": label}.items():
        if column is not None and column not in there:
            close = difflib.get_close_matches(column, there, 1)
            raise modrack.UserError(
                f"dataset.{option}={column}: {path} has no such column.",
                f"It has: {', '.join(there)}." + (f" Did you mean {close[0]}?" if close else ""),
            )
    asked = text or image
    if asked is not None and asked == label:
        raise modrack.UserError(f"{path}: the column {asked!r} cannot be both the input and the label.")
    found = label or _found(rows.features, asked)
    if asked is not None:
        found = found or _ready(rows.features)
        rest = [found] if found else [column for column in there if not _is_input(rows.features[column])]
        return rows.select_columns([asked, *(column for column in rest if column != asked)])
    if found is not None:
        return rows.select_columns([c for c in there if c == found or _is_input(rows.features[c])])
    return rows


def encode(splits: dict[str, Any], path: str, label: str | None, asked: set[str]) -> dict[str, Any]:
    """Labels that are words or whole numbers as classes; rows without a label left out, with the splits they empty.

    A split in `asked` must have labels: UserError. So must a stream say its classes: it is not read to find them.
    """
    train = splits["train"]
    column = label or _found(train.features, None) or _ready(train.features)
    if column is None:
        return splits
    feature = train.features[column]
    if type(train).__name__ == "IterableDataset":
        if type(feature).__name__ == "Value" and not feature.dtype.startswith("float"):
            raise modrack.UserError(
                f"{path}: its column {column!r} does not say which classes there are, and a stream is not read for it.",
                "Leave out dataset.streaming, or name another column in dataset.label.",
            )
        return splits
    kept = {}
    for split, rows in splits.items():
        if column not in rows.features:
            raise modrack.UserError(f"{path}: its split {split!r} has no column {column!r}, which train has.")
        labelled = _labelled(rows, column)
        if len(labelled) or not len(rows):
            kept[split] = labelled
        elif split in asked:
            raise modrack.UserError(
                f"{path}: no row of its split for {split} has a label in {column!r}.",
                "The Hub keeps some secret; choose another split.",
            )
    return _as_classes(kept, path, column) if type(feature).__name__ == "Value" else kept


def _as_classes(splits: dict[str, Any], path: str, column: str) -> dict[str, Any]:
    from functools import partial

    from modrack_plugins.datasets.labels import encode_labels

    if splits["train"].features[column].dtype.startswith("float"):
        return splits
    values = {split: rows[column][:] for split, rows in splits.items()}
    feature, encoded = encode_labels(values, {split: partial(_where, path, split) for split in splits}, None)
    made = {}
    for split, rows in splits.items():
        order = rows.column_names
        made[split] = (
            rows.remove_columns(column).add_column(column, encoded[split], feature=feature).select_columns(order)
        )
    return made


def _where(path: str, split: str, place: int) -> str:
    return f"{path} {split}, row {place + 1}"


def _labelled(rows: Any, column: str) -> Any:
    """The rows that have a label; -1 is the Hub's way of keeping a class secret."""
    import numpy as np

    secret = type(rows.features[column]).__name__ == "ClassLabel"
    have = [value is not None and not (secret and value < 0) for value in rows[column][:]]
    return rows if all(have) else rows.select(np.flatnonzero(have))


def _found(features: Any, without: str | None) -> str | None:
    """The column that is called as labels are, where no column is of classes; else None."""
    if _ready(features) is not None:
        return None
    low = {column.lower(): column for column in features if column != without}
    found = next((low[name] for name in LABELS if name in low), None)
    return found if found is not None and type(features[found]).__name__ == "Value" else None


def _ready(features: Any) -> str | None:
    """The first column of classes, or of lists of them."""
    for column, feature in features.items():
        if "ClassLabel" in (type(feature).__name__, type(getattr(feature, "feature", None)).__name__):
            return str(column)
    return None


def _is_input(feature: Any) -> bool:
    inner = getattr(feature, "feature", None)
    return (
        type(feature).__name__ in ("Image", "Audio", "Array2D", "Array3D")
        or getattr(feature, "dtype", None) in ("string", "large_string")
        or (getattr(feature, "length", -1) > 0 and type(inner).__name__ == "Value")
    )
