"""Image files as arrays: one way of reading them, for datasets and for predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


class UnreadableImage(Exception):
    """What is no image, or a broken one; its text is the name of what went wrong."""


def read_image(source: Path | bytes, height: int, width: int, channels: int | None = None) -> Any:
    """uint8 (height, width) for a grey image, (height, width, 3) for any other; `channels` 1 or 3 asks for one of them.

    The image is scaled, turned as its camera noted, and 16 bits become 8. Raises UnreadableImage.
    """
    import io

    import numpy as np
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as opened:
            # A large JPEG is decoded no larger than it takes to shrink it well.
            opened.draft(None, (2 * width, 2 * height))
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I"):
                # Sixteen bits: `convert` would cut off instead of scaling.
                image = Image.fromarray((np.asarray(image, np.int64) >> 8).clip(0, 255).astype(np.uint8))
            grey = image.mode in ("1", "L", "LA") if channels is None else channels == 1
            plain = image.convert("L" if grey else "RGB")
            return np.asarray(plain.resize((width, height), Image.Resampling.BILINEAR))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableImage(type(error).__name__) from None
