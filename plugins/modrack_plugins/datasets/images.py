"""Images as arrays of one size, read here so that training reads memory and not files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import modrack
from modrack.data.images import SUFFIXES, UnreadableImage, read_image

__all__ = ["SUFFIXES", "image_columns", "read_images"]

# Mistakes that are told at once.
MOST_TOLD = 3
# Arrow counts the values of one list array with 31 bits.
MOST_PIXELS = 2**30


def read_images(sources: Sequence[Path | bytes], size: int, where: Callable[[int], str]) -> list[Any]:
    """uint8 (size, size) for each grey image, (size, size, 3) for any other.

    `where` says for a place in `sources` what to call it. Raises UserError that tells the first that cannot be read.
    """
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor() as pool:
        made = list(pool.map(lambda source: _image(source, size), sources))
    broken = [(place, image) for place, image in enumerate(made) if isinstance(image, str)]
    if broken:
        told = [
            modrack.UserError(f"{where(place)}: the image cannot be read ({reason}).", "Mend or remove it.")
            for place, reason in broken[:MOST_TOLD]
        ]
        if len(broken) > MOST_TOLD:
            told.append(modrack.UserError(f"And {len(broken) - MOST_TOLD} more."))
        raise modrack.UserError.collect(told)
    return made


def image_columns(
    splits: dict[str, list[Any]], size: int, like: modrack.Data | None = None
) -> tuple[Any, dict[str, Any]]:
    """(feature, {split: Arrow column}) of read images. Grey ones stay grey where all are, unless `like` is coloured."""
    import numpy as np
    import pyarrow as pa
    from datasets import Array3D

    grey = all(image.ndim == 2 for images in splits.values() for image in images)
    channels = 1 if grey and (like is None or like.shape is None or like.shape[0] == 1) else 3
    feature = Array3D((channels, size, size), "uint8")
    columns = {}
    for split, images in splits.items():
        whole = np.empty((len(images), channels, size, size), np.uint8)
        for place, image in enumerate(images):
            # One grey image among coloured ones gets three equal channels.
            whole[place] = image if image.ndim == 2 else np.moveaxis(image, 2, 0)
        columns[split] = pa.chunked_array(
            [
                _arrow(whole[first : first + MOST_PIXELS // whole[0].size], feature)
                for first in range(0, len(whole), MOST_PIXELS // whole[0].size)
            ]
        )
    return feature, columns


def _arrow(images: Any, feature: Any) -> Any:
    """Arrow lists over the array's own bytes: no pixel becomes a Python number."""
    import numpy as np
    import pyarrow as pa

    storage = pa.array(images.reshape(-1))
    for length in reversed(images.shape[1:]):
        storage = pa.ListArray.from_arrays(np.arange(0, len(storage) + 1, length, dtype=np.int32), storage)
    return pa.ExtensionArray.from_storage(feature(), storage)


def _image(source: Path | bytes, size: int) -> Any:
    """The image, or the name of what went wrong."""
    try:
        return read_image(source, size, size)
    except UnreadableImage as error:
        return str(error)
