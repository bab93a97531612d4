"""Your own files: tables of texts, numbers or images, or a folder of images."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Gt

import modrack


@modrack.dataset(gives=("text", "tabular", "image"), target=("class", "classes", "number", "several"))
def files(
    like: modrack.Data | None,
    *,
    path: Annotated[str, "a file, several with commas between, or a folder: csv, tsv, json lines, parquet, or images"],
    text: Annotated[str | None, "the column of texts; none: found by name and type"] = None,
    label: Annotated[str | None, "the column of labels, or several with commas between; none: found by name"] = None,
    image: Annotated[str | None, "the column of images or of their files; none: found by name and type"] = None,
    columns: Annotated[list[str] | None, "the columns of a table's rows; none: all numbers and categories"] = None,
    delimiter: Annotated[str | None, "between the fields of a csv; none: found"] = None,
    separator: Annotated[str | None, "between the labels of a row that has several, as in 'red;blue'"] = None,
    size: Annotated[int, Gt(0), "height and width, in pixels, that images are brought to"] = 64,
) -> Any:
    """Files of your own: csv, tsv, json lines, parquet, or a folder of images.

    Splits are found by the names of files or folders (train.csv, test.csv; train/, test/); a single file is train.
    A table needs a text, an image, or columns of numbers and categories, and a label; a folder of images has a folder
    a class. Words that come again and again are categories. Labels that are words or few whole numbers are classes,
    other numbers are measured. Files that a trained model is measured on have the classes and categories it knows.
    """
    from modrack_plugins.datasets.columns import Asked
    from modrack_plugins.datasets.imagefolder import has_images, read_folder
    from modrack_plugins.datasets.places import find_places, find_tables, split_by_name
    from modrack_plugins.datasets.rowsets import make_splits
    from modrack_plugins.datasets.tables import FORMATS

    asked = Asked(text, label, image, tuple(columns or ()))
    if like is not None and like.inputs and columns is None:
        # A few rows do not tell which columns were a row where there were many.
        asked = Asked(text, label, image, tuple(like.inputs))
    if like is not None and like.gives == "image" and like.shape is not None:
        size = like.shape[-1]
    places = find_places(path)
    if len(places) > 1 or not places[0].is_dir():
        return make_splits(split_by_name(places, path), asked, delimiter, separator, size, like)
    folder = places[0]
    tables = find_tables(folder)
    if tables:
        return make_splits(tables, asked, delimiter, separator, size, like)
    if not has_images(folder):
        there = ", ".join(sorted(each.name for each in folder.iterdir())[:6]) or "nothing"
        raise modrack.UserError(
            f"dataset.path={folder}: there is neither a table nor an image in it.",
            f"Tables end in {', '.join(FORMATS)}. The folder holds: {there}.",
        )
    columns_of = {"text": text, "label": label, "image": image, "columns": columns, "separator": separator}
    for option, given in columns_of.items():
        if given is not None:
            raise modrack.UserError(
                f"dataset.{option}={given}: {folder} is a folder of images and has no columns.",
                "The class of an image is its folder. Leave the option out.",
            )
    return read_folder(folder, size, like)
