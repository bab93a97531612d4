"""A folder of images: FOLDER/train/CLASS/x.png, or FOLDER/CLASS/x.png."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import modrack

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


def has_images(folder: Path) -> bool:
    """Whether there is an image anywhere below `folder`."""
    return any(path.suffix.lower() in SUFFIXES for path in folder.rglob("*"))


def read_images(splits: dict[str, Path], size: int) -> Any:
    """Every image below each split's folder, its class being the folder it is in, as size × size pixels.

    Images become arrays here, so that training reads memory and not files. Grey ones stay grey where all are.
    Raises UserError with the file for one that cannot be read.
    """
    import numpy as np
    from datasets import Array3D, ClassLabel, Dataset, DatasetDict, Features

    files = {split: _files(folder) for split, folder in splits.items()}
    names = sorted({path.parent.name for path in files["train"]})
    if len(names) < 2:
        raise modrack.UserError(
            f"{splits['train']}: there is one class only ({', '.join(names) or 'none'}).",
            "A folder a class: FOLDER/CLASS/x.png.",
        )
    images = {split: [_image(path, size) for path in paths] for split, paths in files.items()}
    grey = all(image.ndim == 2 for each in images.values() for image in each)
    shape = (1, size, size) if grey else (3, size, size)
    made = {}
    for split, paths in files.items():
        labels = []
        for path in paths:
            if path.parent.name not in names:
                raise modrack.UserError(f"{path}: the class {path.parent.name!r} does not occur in {splits['train']}.")
            labels.append(names.index(path.parent.name))
        arrays = [
            image[None] if grey else np.moveaxis(image if image.ndim == 3 else np.stack([image] * 3, 2), 2, 0)
            for image in images[split]
        ]
        features = Features({"image": Array3D(shape, "uint8"), "label": ClassLabel(names=names)})
        made[split] = Dataset.from_dict({"image": arrays, "label": labels}, features=features)
    return DatasetDict(made)


def _files(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise modrack.UserError(f"{folder}: there is no image in it.")
    return found


def _image(path: Path, size: int) -> Any:
    """uint8 (size, size) for a grey image, (size, size, 3) for any other."""
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            plain = image.convert("L" if image.mode in ("1", "L", "I", "I;16") else "RGB")
            return np.asarray(plain.resize((size, size), Image.Resampling.BILINEAR))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise modrack.UserError(
            f"{path}: the image cannot be read ({type(error).__name__}).", "Mend or remove it."
        ) from None
