"""Your own files: tables of texts or numbers, or a folder of images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from annotated_types import Gt

import modrack
from modrack_plugins.datasets.tables import FORMATS

# What a split is called in names of files and folders.
SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}


@modrack.dataset(gives=("text", "tabular", "image"), target=("class", "classes", "number"))
def files(
    *,
    path: Annotated[str, "a file, several with commas between, or a folder: csv, tsv, json lines, parquet, or images"],
    text: Annotated[str | None, "the column of texts; none: found by name and type"] = None,
    label: Annotated[str | None, "the column of labels; none: found by name"] = None,
    delimiter: Annotated[str | None, "between the fields of a csv; none: found"] = None,
    separator: Annotated[str | None, "between the labels of a row that has several, as in 'red;blue'"] = None,
    size: Annotated[int, Gt(0), "height and width, in pixels, that images are brought to"] = 64,
) -> Any:
    """Files of your own: csv, tsv, json lines, parquet, or a folder of images.

    Splits are found by the names of files or folders (train.csv, test.csv; train/, test/); a single file is train.
    A table needs a text, or columns of numbers, and a label; a folder of images has a folder a class.
    """
    places = [Path(part.strip()).expanduser() for part in path.split(",")]
    for place in places:
        if not place.exists():
            raise modrack.UserError(f"dataset.path={path}: there is no {place}.")
    if len(places) == 1 and places[0].is_dir():
        folder = places[0]
        tables = sorted(each for each in folder.iterdir() if each.suffix.lower() in FORMATS and each.is_file())
        if not tables:
            return _images(folder, size)
        places = tables
    return _tables(_by_split(places, path), text, label, delimiter, separator)


def _images(folder: Path, size: int) -> Any:
    from modrack_plugins.datasets.imagefolder import has_images, read_images

    if not has_images(folder):
        there = ", ".join(sorted(each.name for each in folder.iterdir())[:6]) or "nothing"
        raise modrack.UserError(
            f"dataset.path={folder}: there is neither a table nor an image in it.",
            f"Tables end in {', '.join(FORMATS)}. The folder holds: {there}.",
        )
    splits = {}
    for split, names in SPLITS.items():
        found = next((folder / name for name in names if (folder / name).is_dir()), None)
        if found is not None:
            splits[split] = found
    return read_images(splits if "train" in splits else {"train": folder}, size)


def _by_split(places: list[Path], path: str) -> dict[str, Path]:
    """The file of each split, by its name."""
    for place in places:
        if place.suffix.lower() not in FORMATS:
            raise modrack.UserError(f"{place}: files end in {', '.join(FORMATS)}.")
    if len(places) == 1:
        return {"train": places[0]}
    found: dict[str, Path] = {}
    for place in places:
        words = place.stem.lower().replace("-", "_").replace(".", "_").split("_")
        split = next((split for split, names in SPLITS.items() if set(names) & set(words)), None)
        if split is None or split in found:
            reason = "two files would be the same split" if split in found else "its name says no split"
            raise modrack.UserError(
                f"dataset.path={path}: {place.name}: {reason}.",
                "Name them train, validation and test, or give one file.",
            )
        found[split] = place
    if "train" not in found:
        names = ", ".join(place.name for place in places)
        raise modrack.UserError(f"dataset.path={path}: no file is called train.", f"There is: {names}.")
    return found


def _tables(
    paths: dict[str, Path], text: str | None, label: str | None, delimiter: str | None, separator: str | None
) -> Any:
    import numpy as np
    from datasets import Dataset, DatasetDict, Features, Sequence, Value

    from modrack_plugins.datasets.columns import choose
    from modrack_plugins.datasets.labels import encode_labels
    from modrack_plugins.datasets.tables import read_table

    tables = {split: read_table(path, delimiter) for split, path in paths.items()}
    chosen = choose(tables["train"], str(paths["train"]), text, label)
    for split, table in tables.items():
        lacking = [name for name in (*chosen.inputs, chosen.label) if name not in table.column_names]
        if lacking:
            raise modrack.UserError(
                f"{paths[split]} has no column {lacking[0]!r}, which {paths['train'].name} has.",
                f"Its columns: {', '.join(table.column_names)}.",
            )
    where = {split: str(path) for split, path in paths.items()}
    columns = {split: table.column(chosen.label).to_pylist() for split, table in tables.items()}
    feature, labels = encode_labels(columns, where, separator)
    made = {}
    for split, table in tables.items():
        if chosen.gives == "text":
            values: Any = ["" if each is None else str(each) for each in table.column(chosen.inputs[0]).to_pylist()]
            features = {"text": Value("string"), "label": feature}
        else:
            rows = [np.asarray(table.column(name).to_pylist(), np.float32) for name in chosen.inputs]
            values = np.stack(rows, axis=1)
            features = {"tabular": Sequence(Value("float32"), length=len(rows)), "label": feature}
        made[split] = Dataset.from_dict({chosen.gives: values, "label": labels[split]}, features=Features(features))
    return DatasetDict(made)
