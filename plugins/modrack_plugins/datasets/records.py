"""Columns of numbers and of words as one row each: numbers and categories, with gaps where nothing stands."""

from __future__ import annotations

from typing import Any

import modrack
from modrack_plugins.datasets.columns import is_number, is_word
from modrack_plugins.datasets.numerals import as_numbers
from modrack_plugins.datasets.tables import Table


def records(
    tables: dict[str, Table], names: tuple[str, ...], like: modrack.Data | None = None
) -> tuple[Any, dict[str, Any]]:
    """(feature, {split: Arrow struct}) of the columns `names`: a number or a category each, as `like` or train has it.

    Categories are those of `like`, else of train; another split's others count as missing, as an empty field does.
    Raises UserError for a column that holds neither, something else than in train, or nothing at all.
    """
    import pyarrow as pa
    from datasets import ClassLabel, Value

    feature: dict[str, Any] = {}
    columns: dict[str, dict[str, Any]] = {split: {} for split in tables}
    past = {} if like is None else {like.inputs[place]: names for place, names in like.categories.items()}
    numbers = set() if like is None else set(like.inputs) - set(past)
    for name in names:
        if name in past or (name not in numbers and is_word(tables["train"].rows.column(name).type)):
            words = {split: _words(table, name) for split, table in tables.items()}
            known = past.get(name) or sorted(set(filter(None, words["train"].unique().to_pylist())))
            _refuse_empty(known, tables["train"], name)
            feature[name] = ClassLabel(names=known)
            for split, column in words.items():
                columns[split][name] = _places(column, known)
        else:
            feature[name] = Value("float32")
            for split, table in tables.items():
                columns[split][name] = _numbers(table, name)
            if name not in numbers:
                _refuse_empty(columns["train"][name].drop_null(), tables["train"], name)
    return feature, {
        split: pa.StructArray.from_arrays(list(each.values()), names=list(each)) for split, each in columns.items()
    }


def _numbers(table: Table, name: str) -> Any:
    """fp32, null where there is none. An infinite one is refused: it would drown all others."""
    import numpy as np
    import pyarrow as pa

    column = table.rows.column(name)
    if is_word(column.type):
        column = _spelled(table, name)
    # A split may have no value of a column at all, and then no type either.
    if not is_number(column.type) and column.null_count < len(column):
        raise modrack.UserError(f"{table.name}: the column {name!r} holds {column.type}, and numbers in train.")
    values = np.asarray(column.cast(pa.float64()).to_numpy(), np.float64)
    endless = np.flatnonzero(np.isinf(values) | (np.abs(values) > np.finfo(np.float32).max))
    if len(endless):
        raise modrack.UserError(
            f"{table.where(int(endless[0]))}: {values[endless[0]]} in the column {name!r} is no number to compute "
            "with.",
            "Mend it, or leave it empty.",
        )
    return pa.array(values.astype(np.float32), mask=np.isnan(values))


def _spelled(table: Table, name: str) -> Any:
    """What the texts of a column spell, fp64, null where nothing stands. Raises UserError for one that is no number."""
    import pyarrow as pa

    texts = table.rows.column(name).to_pylist()
    there = [place for place, text in enumerate(texts) if text is not None and text.strip()]
    numbers = as_numbers([texts[at] for at in there], f"in the column {name!r}", lambda at: table.where(there[at]))
    found = dict(zip(there, numbers, strict=True))
    return pa.chunked_array([pa.array([found.get(place) for place in range(len(texts))], pa.float64())])


def _words(table: Table, name: str) -> Any:
    """The words without blanks around them; null where there is none."""
    import pyarrow as pa
    import pyarrow.compute as compute

    column = table.rows.column(name)
    # What is words in train may look like numbers in a smaller split: they are spelled again.
    trimmed = compute.utf8_trim_whitespace(column.cast(pa.string())).combine_chunks()
    return compute.if_else(compute.equal(trimmed, ""), None, trimmed)


def _places(words: Any, known: list[str]) -> Any:
    """Of each word its place in `known`, null for one that is not there."""
    import pyarrow as pa
    import pyarrow.compute as compute

    return compute.index_in(words, value_set=pa.array(known, pa.string())).cast(pa.int64())


def _refuse_empty(values: Any, train: Table, name: str) -> None:
    if len(values) == 0:
        raise modrack.UserError(
            f"{train.name}: the column {name!r} is empty.", "Leave it out: dataset.columns=A,B names those to use."
        )
