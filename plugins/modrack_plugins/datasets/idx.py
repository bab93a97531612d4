"""Images in MNIST's own file format, gzipped or not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import modrack

if TYPE_CHECKING:
    import numpy as np

# The types of the format, by the third byte of a file (http://yann.lecun.com/exdb/mnist/).
TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
SPLITS = {"train": ("train",), "test": ("t10k", "test"), "validation": ("validation", "valid")}


@modrack.dataset(gives="image", target="class")
def idx(
    *,
    path: Annotated[str, "a folder with train-images-idx3-ubyte, train-labels-idx1-ubyte and t10k-… files"],
    classes: Annotated[list[str] | None, "names of the classes, in order; none: their numbers"] = None,
) -> Any:
    """A folder of MNIST-format files: MNIST, Fashion-MNIST, EMNIST, KMNIST."""
    from datasets import DatasetDict

    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise modrack.UserError(f"dataset.path={path}: there is no such folder.")
    found = {split: _files(folder, names) for split, names in SPLITS.items()}
    pairs = {split: files for split, files in found.items() if files is not None}
    if "train" not in pairs:
        there = ", ".join(sorted(file.name for file in folder.iterdir())[:6]) or "nothing"
        raise modrack.UserError(
            f"dataset.path={path}: there is no train-images-idx3-ubyte with its train-labels-idx1-ubyte.",
            f"The folder holds: {there}.",
        )
    arrays = {split: (_images(images), _labels(labels)) for split, (images, labels) in pairs.items()}
    names = classes or [str(number) for number in range(int(max(labels.max() for _, labels in arrays.values())) + 1)]
    return DatasetDict(
        {split: _dataset(images, labels, names, pairs[split]) for split, (images, labels) in arrays.items()}
    )


def _files(folder: Path, names: tuple[str, ...]) -> tuple[Path, Path] | None:
    """The images' file and the labels' file of a split, or None."""
    found: list[Path] = []
    for kind in ("images", "labels"):
        matching = [
            file
            for file in sorted(folder.iterdir())
            if any(f"{name}-{kind}" in file.name for name in names) and "idx" in file.name
        ]
        if not matching:
            return None
        found.append(matching[0])
    return found[0], found[1]


def _dataset(images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any], names: list[str], files: Any) -> Any:
    import numpy as np
    import pyarrow as pa
    from datasets import Array2D, ClassLabel, Dataset, Features

    if len(images) != len(labels):
        raise modrack.UserError(f"{files[0]} has {len(images)} images, {files[1].name} has {len(labels)} labels.")
    if len(images) and (labels.max() >= len(names) or labels.min() < 0):
        raise modrack.UserError(
            f"{files[1]}: the label {labels.max()} is there, and {len(names)} classes are named.",
            "Name them all in dataset.classes, or leave it out.",
        )
    features = Features({"image": Array2D(images.shape[1:], "uint8"), "label": ClassLabel(names=names)})
    # Arrow lists over the file's own bytes: no image is copied or becomes a Python list.
    values = pa.array(images.reshape(-1))
    height, width = images.shape[1:]
    rows = pa.ListArray.from_arrays(np.arange(0, len(values) + 1, width, dtype=np.int32), values)
    whole = pa.ListArray.from_arrays(np.arange(0, len(rows) + 1, height, dtype=np.int32), rows)
    storage = pa.ExtensionArray.from_storage(features["image"](), whole)
    return Dataset(pa.table({"image": storage, "label": labels.astype("int64")}, schema=features.arrow_schema))


def _images(file: Path) -> np.ndarray[Any, Any]:
    images = _read(file)
    if images.ndim != 3 or images.dtype.itemsize != 1:
        raise modrack.UserError(f"{file}: images are bytes in three dimensions, this is {images.dtype} {images.shape}.")
    return images


def _labels(file: Path) -> np.ndarray[Any, Any]:
    labels = _read(file)
    if labels.ndim != 1:
        raise modrack.UserError(f"{file}: labels have one dimension, this file has {labels.ndim}.")
    return labels


def _read(file: Path) -> np.ndarray[Any, Any]:
    """An array as the file's header describes it. Raises UserError for anything else than such a file."""
    import gzip
    import zlib

    import numpy as np

    try:
        raw = file.read_bytes()
        content = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise modrack.UserError(f"{file}: it cannot be read ({error}).", "Is it whole? Copy it again.") from None
    if not content:
        raise modrack.UserError(f"{file}: the file is empty.")
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in TYPES:
        raise modrack.UserError(f"{file}: this is no IDX file; it begins with {content[:4].hex(' ')}.")
    dimensions = content[3]
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", dimensions, 4))
    kind = np.dtype(TYPES[content[2]])
    wanted = int(np.prod(shape)) * kind.itemsize
    start = 4 + 4 * dimensions
    if len(content) - start != wanted:
        raise modrack.UserError(
            f"{file}: its header promises {wanted} bytes of data {shape}, and {len(content) - start} are there.",
            "Is it whole? Copy it again.",
        )
    return np.frombuffer(content, kind, offset=start).reshape(shape)
