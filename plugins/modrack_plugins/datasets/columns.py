"""Which column of a table is the input and which the label: by type and name, or as the user says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import modrack
from modrack_plugins.datasets.images import SUFFIXES
from modrack_plugins.datasets.numerals import refuse_odd_ones

TEXTS = ("text", "sentence", "review", "content", "document", "body", "comment", "message", "title")
LABELS = ("label", "labels", "class", "category", "target", "sentiment", "rating", "tag", "y")
IMAGES = ("image", "img", "picture", "photo", "file_name", "filename", "image_path", "path", "file")
# What pandas calls the row numbers that it writes: they would tell the class where rows are sorted by it.
ROW_NUMBERS = ("", "Unnamed: 0", "__index_level_0__")


# Words are categories where each comes this often on average, and there are no more of them than these.
REPEATS, MOST_CATEGORIES = 5, 1000


@dataclass(frozen=True)
class Asked:
    """The columns that the user names."""

    text: str | None = None
    label: str | None = None
    image: str | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chosen:
    """The input's column (several for a row of numbers), its sort, and the label's column."""

    gives: str
    inputs: tuple[str, ...]
    label: str


def choose(table: Any, where: str, asked: Asked, row: Callable[[int], str]) -> Chosen:
    """Choose from an Arrow table, called `where`; `row` says where a row of it is, counted from 0.

    Raises UserError that says which columns there are and how to choose.
    """
    text, label, image = asked.text, asked.label, asked.image
    columns = {name: table.schema.field(name).type for name in table.column_names if name not in ROW_NUMBERS}
    _refuse_missing([("text", text), ("image", image), ("label", label)], columns, where)
    _refuse_missing([("columns", each) for each in asked.columns], columns, where)
    if text is not None and image is not None:
        raise modrack.UserError("dataset.text and dataset.image: one of them is the input.", "Leave one out.")
    if asked.columns:
        return _named_columns(asked, table, columns, where, row)
    given = text or image
    found_label = label or _by_name(columns, LABELS, without=given)
    inputs = {name: kind for name, kind in columns.items() if name != found_label}
    texts = [name for name, kind in inputs.items() if _is_text(kind)]
    cells = () if text or image else _row(table, inputs, texts, row)
    if cells and found_label is not None:
        return Chosen("tabular", cells, found_label)
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
    raise modrack.UserError(
        f"{where}: which column is the text?",
        f"Say dataset.text=NAME, or dataset.columns=A,B for a row of numbers and categories; "
        f"the columns: {_listed(columns)}.",
    )


def _named_columns(asked: Asked, table: Any, columns: dict[str, Any], where: str, row: Callable[[int], str]) -> Chosen:
    """A row of the columns that the user names."""
    if asked.text or asked.image:
        raise modrack.UserError(
            f"dataset.columns and dataset.{'text' if asked.text else 'image'}: one of them is the input.",
            "Leave one out.",
        )
    label = asked.label or _by_name([name for name in columns if name not in asked.columns], LABELS)
    if label is None:
        raise modrack.UserError(
            f"{where}: which column is the label?", f"Say dataset.label=NAME; the columns: {_listed(columns)}."
        )
    if label in asked.columns:
        raise modrack.UserError(f"{where}: the column {label!r} cannot be both an input and the label.")
    wrong = next((name for name in asked.columns if not is_number(columns[name]) and not is_word(columns[name])), None)
    if wrong is not None:
        raise modrack.UserError(
            f"dataset.columns: {wrong!r} of {where} holds {columns[wrong]}, neither numbers nor words."
        )
    for name in asked.columns:
        if is_word(columns[name]) and not _comes_again(table.column(name)):
            refuse_odd_ones(table.column(name).to_pylist(), f"in the column {name!r}", row)
    return Chosen("tabular", asked.columns, label)


def _row(table: Any, inputs: dict[str, Any], texts: list[str], row: Callable[[int], str]) -> tuple[str, ...]:
    """The columns of a row of numbers and categories; none where the table is rather one of texts or images."""
    numbers = [name for name, kind in inputs.items() if is_number(kind)]
    if _by_name(texts, TEXTS) or _image(table, inputs) or (not numbers and len(texts) < 2):
        return ()
    words = [name for name in texts if _comes_again(table.column(name))]
    for name in texts:
        if name not in words:
            refuse_odd_ones(table.column(name).to_pylist(), f"in the column {name!r}", row)
    if not words and texts:
        return ()
    # A name or a number of its own for each row is left out.
    return tuple(name for name in inputs if name in numbers or name in words)


def _comes_again(column: Any) -> bool:
    """Whether words are categories: few, and each of them in several rows."""
    import pyarrow.compute as compute

    distinct = int(compute.count_distinct(column).as_py())
    return distinct <= MOST_CATEGORIES and distinct * REPEATS <= len(column)


def is_word(kind: Any) -> bool:
    """Whether an Arrow type holds words that may be categories."""
    import pyarrow.types as types

    return _is_text(kind) or bool(types.is_dictionary(kind) and _is_text(kind.value_type))


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


def _refuse_missing(given: list[tuple[str, str | None]], columns: dict[str, Any], where: str) -> None:
    import difflib

    mistakes = []
    for option, name in given:
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
    said = dict(given)
    taken = said.get("text") or said.get("image")
    if taken is not None and taken == said["label"]:
        raise modrack.UserError(f"{where}: the column {taken!r} cannot be both the input and the label.")


def _by_name(names: Any, usual: tuple[str, ...], without: str | None = None) -> str | None:
    low = {name.lower(): name for name in names if name != without}
    return next((low[each] for each in usual if each in low), None)


def _listed(columns: dict[str, Any]) -> str:
    # Images of the Hub are structures with long types.
    return ", ".join(f"{name} ({'bytes' if 'bytes' in str(kind) else kind})" for name, kind in columns.items())
