"""Real handwritten digits that come with scikit-learn: small, and there without a network."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Gt, Lt

import modrack


@modrack.dataset(gives="image", target="class")
def digits(*, test: Annotated[float, Gt(0), Lt(1), "share of the rows kept for test"] = 0.2) -> Any:
    """1,797 handwritten digits of 8×8 pixels, from scikit-learn.

    The test part of the UCI set "Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak, 1998). The split
    is the same each time, with as many of each digit in both parts.
    """
    import numpy as np
    from datasets import Array2D, ClassLabel, Dataset, DatasetDict, Features

    table = np.loadtxt(_file(), delimiter=",", dtype=np.uint8)
    # Grey values are 0 to 16; the last column is the digit.
    images = np.round(table[:, :-1].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    labels = table[:, -1].astype(np.int64)
    features = Features({"image": Array2D((8, 8), "uint8"), "label": ClassLabel(names=[str(n) for n in range(10)])})
    generator = np.random.default_rng(0)
    kept = np.zeros(len(labels), bool)
    for digit in range(10):
        rows = generator.permutation(np.flatnonzero(labels == digit))
        kept[rows[: max(1, round(test * len(rows)))]] = True
    return DatasetDict(
        {
            name: Dataset.from_dict({"image": list(images[rows]), "label": labels[rows]}, features=features)
            for name, rows in (("train", ~kept), ("test", kept))
        }
    )


def _file() -> Path:
    """The table that scikit-learn packs, found without importing it: that takes longer than the training."""
    spec = importlib.util.find_spec("sklearn")
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        file = Path(folder) / "datasets/data/digits.csv.gz"
        if file.is_file():
            return file
    raise modrack.UserError("The digits come with scikit-learn, which is not there.", "pip install scikit-learn")
