"""Real handwritten digits that come with scikit-learn: small, and there without a network."""

from __future__ import annotations

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
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    # Grey values are 0 to 16.
    images = np.round(pixels.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    features = Features({"image": Array2D((8, 8), "uint8"), "label": ClassLabel(names=[str(n) for n in range(10)])})
    parts = train_test_split(np.arange(len(labels)), test_size=test, stratify=labels, random_state=0)
    return DatasetDict(
        {
            name: Dataset.from_dict({"image": list(images[rows]), "label": labels[rows]}, features=features)
            for name, rows in zip(("train", "test"), parts, strict=True)
        }
    )
