"""Tables as the splits of a dataset: their input column and their labels, of one type over all splits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import modrack
from modrack_plugins.datasets.columns import TEXTS, Asked, choose
from modrack_plugins.datasets.images import image_columns, read_images
from modrack_plugins.datasets.labels import encode_labels, is_missing
from modrack_plugins.datasets.records import records
from modrack_plugins.datasets.tables import Table, read_tables


def make_splits(
    paths: dict[str, list[Path]],
    asked: Asked,
    delimiter: str | None,
    separator: str | None,
    size: int,
    like: modrack.Data | None = None,
) -> Any:
    """A DatasetDict of the input column (text, image or tabular) and the column label. Raises UserError.

    Classes and categories are those of `like`, else those of train.
    """
    import pyarrow as pa
    from datasets import Dataset, DatasetDict, Features

    # A text of digits stays as it is spelled.
    texts = (*TEXTS, asked.text) if asked.text is not None else tuple(name for name in TEXTS if name != asked.label)
    texts = tuple(name for name in texts if name not in asked.columns)
    tables = {split: read_tables(files, delimiter, texts) for split, files in paths.items()}
    train = tables["train"]
    targets = _several(asked.label, train)
    others = [name for name in targets if name != targets[0]]
    if targets and separator is not None:
        raise modrack.UserError(
            f"dataset.separator={separator}: it stands between the labels of one column, and dataset.label names "
            f"{len(targets)}.",
            "Leave it out; each label of a row has a column of its own then.",
        )
    asked = replace(asked, label=targets[0]) if targets else asked
    # What is to be learned is no input.
    chosen = choose(train.rows.drop_columns(others), train.name, asked, train.where)
    for table in tables.values():
        lacking = [name for name in (*chosen.inputs, chosen.label, *others) if name not in table.rows.column_names]
        if lacking:
            raise modrack.UserError(
                f"{table.name} has no column {lacking[0]!r}, which {train.files[0][0].name} has.",
                f"Its columns: {', '.join(table.rows.column_names)}.",
            )
    where = {split: table.where for split, table in tables.items()}
    feature: Any
    if others:
        feature, labels = _targets(tables, targets, where, like)
    else:
        columns = {split: _labels(table, chosen.label) for split, table in tables.items()}
        feature, labels = encode_labels(columns, where, separator, like)
    if chosen.gives == "image":
        read = {
            split: read_images(_images(table, chosen.inputs[0]), size, table.where) for split, table in tables.items()
        }
        form, inputs = image_columns(read, size, like)
    elif chosen.gives == "tabular":
        form, inputs = records(tables, chosen.inputs, like)
    else:
        form, inputs = _texts(tables, chosen.inputs[0])
    features = Features({chosen.gives: form, "label": feature})
    schema = features.arrow_schema
    return DatasetDict(
        {
            split: Dataset(
                pa.table(
                    {chosen.gives: inputs[split], "label": pa.array(labels[split], schema.field("label").type)},
                    schema=schema,
                )
            )
            for split in tables
        }
    )


def _several(label: str | None, train: Table) -> list[str]:
    """The columns of labels where several are asked for, with commas between; none where one is, or is to be found."""
    if label is None or label in train.rows.column_names or "," not in label:
        return []
    names = [each.strip() for each in label.split(",") if each.strip()]
    for name in names:
        if name not in train.rows.column_names:
            raise modrack.UserError(
                f"dataset.label={label}: {train.name} has no column {name!r}.",
                f"Its columns: {', '.join(train.rows.column_names)}.",
            )
    if len(names) < 2 or len(set(names)) != len(names):
        raise modrack.UserError(f"dataset.label={label}: name two columns or more, each once.")
    return names


def _targets(
    tables: dict[str, Table], names: list[str], where: Any, like: modrack.Data | None
) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """(feature, {split: rows}) of several columns of labels; None for one that a row lacks. Each row has some."""
    features: dict[str, Any] = {}
    encoded: dict[str, dict[str, list[Any]]] = {}
    for name in names:
        known = None if like is None else like.targets.get(name)
        columns = {split: _labels(table, name) for split, table in tables.items()}
        features[name], encoded[name] = _one_of_several(name, columns, where, known)
    made: dict[str, list[dict[str, Any]]] = {}
    for split in tables:
        rows = list(zip(*(encoded[name][split] for name in names), strict=True))
        for place, row in enumerate(rows):
            if all(value is None for value in row):
                raise modrack.UserError(
                    f"{where[split](place)}: there is no label in {' or '.join(names)}.",
                    "Fill one in, or drop the row.",
                )
        made[split] = [dict(zip(names, row, strict=True)) for row in rows]
    return features, made


def _one_of_several(
    name: str, columns: dict[str, list[Any]], where: Any, like: modrack.Data | None
) -> tuple[Any, dict[str, list[Any]]]:
    """What `encode_labels` makes of the cells that hold something, and None for the others."""
    filled = {
        split: [place for place, value in enumerate(values) if not is_missing(value)]
        for split, values in columns.items()
    }
    if like is not None and not any(filled.values()):
        return like.features[like.label], {split: [None] * len(values) for split, values in columns.items()}
    if like is None and not filled["train"]:
        raise modrack.UserError(f"dataset.label: no row of train has a label in {name!r}.")
    feature, numbers = encode_labels(
        {split: [columns[split][place] for place in places] for split, places in filled.items()},
        {split: _among(where[split], places, name) for split, places in filled.items()},
        None,
        like,
    )
    made: dict[str, list[Any]] = {split: [None] * len(values) for split, values in columns.items()}
    for split, places in filled.items():
        for place, number in zip(places, numbers[split], strict=True):
            made[split][place] = number
    return feature, made


def _among(where: Callable[[int], str], places: list[int], column: str) -> Callable[[int], str]:
    """`where`, of the rows that were kept, with the column between file and row."""

    def found(place: int) -> str:
        file, row, number = where(places[place]).rpartition(", row ")
        return f"{file}, column {column!r}{row}{number}"

    return found


def _labels(table: Table, name: str) -> list[Any]:
    """The values of a column; names of classes where the file brings them along, as those of the Hub do."""
    from datasets import ClassLabel, Features

    values: list[Any] = table.rows.column(name).to_pylist()
    if b"huggingface" in (table.rows.schema.metadata or {}):
        feature = Features.from_arrow_schema(table.rows.schema).get(name)
        inner = getattr(feature, "feature", None)
        # -1 is the Hub's way of keeping a label secret.
        if isinstance(feature, ClassLabel):
            return [feature.names[each] if each is not None and each >= 0 else None for each in values]
        if isinstance(inner, ClassLabel):
            return [[inner.names[each] for each in row] if row is not None else None for row in values]
    return values


def _texts(tables: dict[str, Table], name: str) -> tuple[Any, dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.compute as compute
    from datasets import Value

    columns = {}
    for split, table in tables.items():
        column = table.rows.column(name)
        try:
            # Beyond 2 GiB a column is in pieces, which short strings can hold too.
            columns[split] = compute.fill_null(column.cast(pa.string()), "")
        except pa.ArrowException:
            raise modrack.UserError(f"{table.name}: the column {name!r} holds {column.type}, not texts.") from None
    return Value("string"), columns


def _images(table: Table, name: str) -> list[Path | bytes]:
    """The bytes of each image, or its file: named from the folder that the table is in."""
    sources: list[Path | bytes] = []
    for place, value in enumerate(table.rows.column(name).to_pylist()):
        found = (value.get("bytes") or value.get("path")) if isinstance(value, dict) else value
        if not isinstance(found, (str, bytes)) or not found:
            raise modrack.UserError(f"{table.where(place)}: there is no image in {name!r}.", "Drop the row.")
        if isinstance(found, str):
            file = table.file(place).parent / Path(found).expanduser()
            if not file.is_file():
                raise modrack.UserError(f"{table.where(place)}: there is no file {file}.")
            sources.append(file)
        else:
            sources.append(found)
    return sources
