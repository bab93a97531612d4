"""Mean and standard deviation of what a run learns from: taken from train, once, and kept with the run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from modrack.data.splits import is_stream

# Rows that those of pixels are taken from, and those of anything that is a stream.
MOST_ROWS = 20_000


def of_pixels(train: Any, column: str) -> tuple[list[float], list[float]]:
    """By channel, of pixels / 255, from sums over histograms: exact, and one pass."""
    import numpy as np

    counts: Any = 0
    for rows in _some(train, MOST_ROWS):
        images = rows[column]
        if isinstance(images, list):
            images = [image.reshape(image.shape[0], -1) for image in images]
            flat = np.concatenate(images, axis=1)
        else:
            flat = np.moveaxis(images, 1, 0).reshape(images.shape[1], -1)
        counts = counts + np.stack([np.bincount(channel, minlength=256) for channel in flat])
    values = np.arange(256) / 255
    share = counts / counts.sum(1, keepdims=True)
    mean = share @ values
    std = np.sqrt(np.maximum(share @ values**2 - mean**2, 0))
    return mean.tolist(), np.maximum(std, 1e-3).tolist()


def of_table(train: Any, column: str, categories: Any) -> tuple[list[float], list[float]]:
    """By column, of the numbers that are there; columns in `categories` have mean 0 and deviation 1."""
    import numpy as np

    count: Any = 0
    mean: Any = 0
    square: Any = 0
    for rows in _some(train, MOST_ROWS if is_stream(train) else None):
        values = rows[column].astype(np.float64)
        there = np.isfinite(values)
        count, mean, square = _more(count, mean, square, values, there)
    std = np.sqrt(square / np.maximum(count, 1))
    # A column of one number says nothing; divided by what rounding left of its spread it would say a lot.
    std = np.where(std > 1e-6 * np.abs(mean), std, 1.0)
    for place in categories:
        mean[place], std[place] = 0.0, 1.0
    return mean.tolist(), std.tolist()


def of_numbers(train: Any, column: str) -> tuple[float, float]:
    """Of a column of numbers; the deviation is 1 where all are the same."""
    import numpy as np

    count, mean, square = 0.0, 0.0, 0.0
    for rows in _some(train, MOST_ROWS if is_stream(train) else None):
        values = np.asarray(rows[column], np.float64)
        count, mean, square = _more(count, mean, square, values, np.isfinite(values))
    std = math.sqrt(square / max(count, 1))
    return float(mean), std if std > 1e-6 * abs(mean) else 1.0


def _more(count: Any, mean: Any, square: Any, values: Any, there: Any) -> tuple[Any, Any, Any]:
    """Counts, means and sums of squared differences with `values` added: (n, …), those that are `there`.

    Chan, Golub & LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979).
    """
    import numpy as np

    filled = np.where(there, values, 0)
    more = there.sum(0)
    here = filled.sum(0) / np.maximum(more, 1)
    spread = np.where(there, values - here, 0)
    both = np.maximum(count + more, 1)
    shift = here - mean
    square = square + (spread**2).sum(0) + shift**2 * count * more / both
    return count + more, mean + shift * more / both, square


def _some(train: Any, limit: int | None) -> Iterator[Any]:
    from modrack.data.rows import chunks

    seen = 0
    for rows in chunks(train, 4096, "train"):
        yield rows
        seen += len(rows)
        if limit is not None and seen >= limit:
            return
