"""A folder of images: FOLDER/train/CLASS/x.png, or FOLDER/CLASS/x.png."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import modrack
from modrack_plugins.datasets.images import SUFFIXES, image_columns, read_images
from modrack_plugins.datasets.places import split_folders


def has_images(folder: Path) -> bool:
    """Whether there is an image anywhere below `folder`."""
    return any(_is_image(path, folder) for path in folder.rglob("*"))


def read_folder(folder: Path, size: int, like: modrack.Data | None = None) -> Any:
    """Every image below each split's folder as size × size pixels; its class is the folder that it is in.

    Raises UserError with the file for one that cannot be read, or whose class train lacks.
    """
    import pyarrow as pa
    from datasets import ClassLabel, Dataset, DatasetDict, Features

    splits = {split: below for split, below in split_folders(folder).items() if has_images(below)}
    if splits and "train" not in splits:
        there = ", ".join(below.name for below in splits.values())
        raise modrack.UserError(f"dataset.path={folder}: there is no folder train.", f"There is: {there}.")
    splits = splits or {"train": folder}
    files = {split: _files(below) for split, below in splits.items()}
    labels = {split: [_class(path, splits[split]) for path in paths] for split, paths in files.items()}
    names = (None if like is None else like.classes) or sorted(set(labels["train"]))
    if len(names) < 2:
        raise modrack.UserError(
            f"{splits['train']}: there is one class only ({', '.join(names)}).", "A folder a class: FOLDER/CLASS/x.png."
        )
    numbers = {name: number for number, name in enumerate(names)}
    for split, paths in files.items():
        for path, name in zip(paths, labels[split], strict=True):
            if name not in numbers:
                raise modrack.UserError(
                    f"{path}: the class {name!r} does not occur in {'train' if like else splits['train']}."
                )
    images = {split: read_images(paths, size, _called(paths)) for split, paths in files.items()}
    feature, columns = image_columns(images, size, like)
    features = Features({"image": feature, "label": ClassLabel(names=names)})
    return DatasetDict(
        {
            split: Dataset(
                pa.table(
                    {"image": columns[split], "label": pa.array([numbers[name] for name in labels[split]], pa.int64())},
                    schema=features.arrow_schema,
                )
            )
            for split in splits
        }
    )


def _called(paths: list[Path]) -> Callable[[int], str]:
    return lambda place: str(paths[place])


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if _is_image(path, folder))


def _is_image(path: Path, folder: Path) -> bool:
    """Hidden files are left out: file managers and notebooks leave images of their own there."""
    return path.suffix.lower() in SUFFIXES and not any(
        part.startswith((".", "__MACOSX")) for part in path.relative_to(folder).parts
    )


def _class(path: Path, folder: Path) -> str:
    """The folder just below the split's; what is deeper is the person's own order within a class."""
    parts = path.relative_to(folder).parts
    if len(parts) < 2:
        raise modrack.UserError(f"{path}: the image is in no class's folder.", "A folder a class: FOLDER/CLASS/x.png.")
    return parts[0]
