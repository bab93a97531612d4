"""Reads a data set of torchvision from a folder, as the ecosystem's DatasetDict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import modrack
from modrack_plugins.datasets.images import image_columns, read_images

if TYPE_CHECKING:
    from modrack_plugins.adapters.torchvision import Source


def read_arrays(name: str, source: Source, path: str, more: dict[str, Any]) -> Any:
    """Splits of images that torchvision holds in memory. Raises UserError that names the files that lack."""
    import pyarrow as pa
    from datasets import ClassLabel, DatasetDict, Features

    root = _root(path)
    made = {split: _open(name, source, root, {**words, **more}) for split, words in source.splits.items()}
    images = {split: _uniform(np.asarray(each.data)) for split, each in made.items()}
    labels = {split: np.asarray(_labels(each), np.int64) for split, each in made.items()}
    feature, columns = image_columns({split: list(each) for split, each in images.items()}, images["train"].shape[1])
    features = Features({"image": feature, "label": ClassLabel(names=_classes(made["train"], labels))})
    return DatasetDict({split: _dataset(pa, columns[split], labels[split], features) for split in made})


def read_files(name: str, source: Source, path: str, size: int) -> Any:
    """Splits of image files, brought to size × size pixels."""
    import pyarrow as pa
    from datasets import ClassLabel, DatasetDict, Features

    root = _root(path)
    if source.called == "ImageFolder":
        made = {split: _open(name, source, folder, {}) for split, folder in _split_folders(root).items()}
    else:
        made = {split: _open(name, source, root, words) for split, words in source.splits.items()}
    rows = {split: [each[place] for place in range(len(each))] for split, each in made.items()}
    labels = {split: np.asarray([label for _, label in each], np.int64) for split, each in rows.items()}
    paths = {split: [Path(file) for file, _ in each] for split, each in rows.items()}
    images = {split: read_images(each, size, _called(each)) for split, each in paths.items()}
    feature, columns = image_columns(images, size)
    features = Features({"image": feature, "label": ClassLabel(names=_classes(made["train"], labels))})
    return DatasetDict({split: _dataset(pa, columns[split], labels[split], features) for split in made})


def _open(name: str, source: Source, root: Path, words: dict[str, Any]) -> Any:
    """torchvision's object; where it reads files, its rows are (path, label)."""
    import inspect
    from xml.etree.ElementTree import ParseError

    from torchvision import datasets

    kind = getattr(datasets, source.called)
    known = inspect.signature(kind.__init__).parameters
    words = dict(words)
    if "loader" in known:
        words["loader"] = str
    if "download" in known or "kwargs" in known:
        words["download"] = False
    try:
        return kind(str(root), **words)
    except (RuntimeError, OSError, ValueError, KeyError, ImportError, EOFError, ParseError) as error:
        files = [file.format(**words) if "{" in file else file for file in source.files]
        missing = [file for file in files if "CLASS" not in file and not (root / file).exists()]
        said = " ".join(str(error).split("You can use")[0].split())[:160].rstrip(". ")
        hint = f"It lacks {', '.join(missing[:4])}{' …' if len(missing) > 4 else ''}." if missing else None
        hint = hint or f"torchvision wants there: {', '.join(files[:4])}{' …' if len(files) > 4 else ''}."
        raise modrack.UserError(f"dataset torchvision/{name}: {root}: {said}.", hint) from None


def _root(path: str) -> Path:
    root = Path(path).expanduser()
    if not root.is_dir():
        raise modrack.UserError(f"dataset.path={path}: there is no such folder.")
    return root


def _split_folders(root: Path) -> dict[str, Path]:
    """The folders train, val and test of `root`, or `root` itself as train."""
    names = {"train": ("train",), "validation": ("validation", "valid", "val"), "test": ("test",)}
    found = {split: root / each for split, all_ in names.items() for each in all_ if (root / each).is_dir()}
    return found if "train" in found else {"train": root}


def _uniform(images: Any) -> Any:
    """(n, height, width) or (n, height, width, 3), whatever torchvision has."""
    return np.moveaxis(images, 1, 3) if images.ndim == 4 and images.shape[1] == 3 else images


def _called(paths: list[Path]) -> Callable[[int], str]:
    return lambda place: str(paths[place])


def _labels(made: Any) -> Any:
    return made.targets if hasattr(made, "targets") else made.labels


def _classes(made: Any, labels: dict[str, Any]) -> list[str]:
    """The classes' names; their numbers where torchvision has none."""
    named = [", ".join(each) if isinstance(each, tuple) else str(each) for each in getattr(made, "classes", ())]
    most = int(max(each.max() for each in labels.values() if len(each))) + 1
    return named if len(named) >= most and len(set(named)) == len(named) else [str(number) for number in range(most)]


def _dataset(pa: Any, column: Any, labels: Any, features: Any) -> Any:
    from datasets import Dataset

    return Dataset(pa.table({"image": column, "label": pa.array(labels)}, schema=features.arrow_schema))
