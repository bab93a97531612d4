"""Which column of a table is the input and which the label: by type and name, or as the user says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import modrack
from modrack_plugins.datasets.images import SUFFIXES

TEXTS = ("text", "sentence", "review", "content", "document", "body", "comment", "message", "title")
LABELS = ("label", "labels", "class", "category", "target", "sentiment", "rating", "tag", "y")
IMAGES = ("image", "img", "picture", "photo", "file_name", "filename", "image_path", "path", "file")
# What pandas calls the row numbers that it writes: they would tell the class where rows are sorted by it.
ROW_NUMBERS = ("", "Unnamed: 0", "__index_level_0__")


@dataclass(frozen=True)
class Chosen:
    """The input's column (several for a row of numbers), its sort, and the label's column."""

    gives: str
    inputs: tuple[str, ...]
    label: str


def choose(table: Any, where: str, text: str | None, label: str | None, image: str | None = None) -> Chosen:
    """Choose from an Arrow table. Raises UserError that says which columns there are and how to choose."""
    columns = {name: table.schema.field(name).type for name in table.column_names if name not in ROW_NUMBERS}
    _refuse_missing({"text": text, "image": image, "label": label}, columns, where)
    if text is not None and image is not None:
        raise modrack.UserError("dataset.text and dataset.image: one of them is the input.", "Leave one out.")
    given = text or image
    found_label = label or _by_name(columns, LABELS, without=given)
    inputs = {name: kind for name, kind in columns.items() if name != found_label}
    texts = [name for name, kind in inputs.items() if _is_text(kind)]
    found_image = image or (None if text else _image(table, inputs))
    found_text = None if found_image else text or _by_name(texts, TEXTS) or (texts[0] if len(texts) == 1 else None)
    found = found_image or found_text
    if found_label is None:
        # Of two columns, the one that is not the input.
        left = [name for name in columns if name != found]
        found_label = left[0] if found is not None and len(left) == 1 else None
    if found_label is None:
        raise modrack.UserError(
            f"{where}: which column is the label?", f"Say dataset.label=NAME; the columns: {_listed(columns)}."
        )
    if found is not None:
        return Chosen("image" if found_image else "text", (found,), found_label)
    numbers = tuple(name for name, kind in inputs.items() if is_number(kind))
    if numbers and not texts:
        return Chosen("tabular", numbers, found_label)
    raise modrack.UserError(
        f"{where}: which column is the text?", f"Say dataset.text=NAME; the columns: {_listed(columns)}."
    )


def is_number(kind: Any) -> bool:
    """Whether an Arrow type holds numbers, or true and false."""
    import pyarrow.types as types

    tests = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
    return any(test(kind) for test in tests)


def _is_text(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_string(kind) or types.is_large_string(kind))


def _image(table: Any, columns: dict[str, Any]) -> str | None:
    """The column that holds images: files' bytes as the Hub packs them, or names of files in a column called so."""
    import pyarrow.types as types

    for name, kind in columns.items():
        if types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            return name
        if types.is_binary(kind) and name.lower() in IMAGES:
            return name
    named = _by_name([name for name, kind in columns.items() if _is_text(kind)], IMAGES)
    first = table.column(named)[0].as_py() if named is not None else None
    return named if str(first).lower().endswith(SUFFIXES) else None


def _refuse_missing(given: dict[str, str | None], columns: dict[str, Any], where: str) -> None:
    import difflib

    mistakes = []
    for option, name in given.items():
        if name is not None and name not in columns:
            close = difflib.get_close_matches(name.lower(), [column.lower() for column in columns], 1)
            meant = next((column for column in columns if close and column.lower() == close[0]), None)
            mistakes.append(
                modrack.UserError(
                    f"dataset.{option}={name}: {where} has no such column.",
                    f"Its columns: {_listed(columns)}." + (f" Did you mean {meant}?" if meant else ""),
                )
            )
    if mistakes:
        raise modrack.UserError.collect(mistakes)
    taken = given["text"] or given["image"]
    if taken is not None and taken == given["label"]:
        raise modrack.UserError(f"{where}: the column {taken!r} cannot be both the input and the label.")


def _by_name(names: Any, usual: tuple[str, ...], without: str | None = None) -> str | None:
    low = {name.lower(): name for name in names if name != without}
    return next((low[each] for each in usual if each in low), None)


def _listed(columns: dict[str, Any]) -> str:
    # Images of the Hub are structures with long types.
    return ", ".join(f"{name} ({'bytes' if 'bytes' in str(kind) else kind})" for name, kind in columns.items())
