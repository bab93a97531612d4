"""Lists of texts as the splits of a dataset."""

from __future__ import annotations

from typing import Any


def as_splits(rows: dict[str, list[str]]) -> Any:
    """A DatasetDict with the column text. A text of a held-out split that train has too is left out there."""
    from datasets import Dataset, DatasetDict, Features, Value

    known = set(rows["train"])
    kept = {split: texts if split == "train" else _without(texts, known) for split, texts in rows.items()}
    features = Features({"text": Value("string")})
    # A split in which nothing is left is cut from train instead, as one that is not there.
    return DatasetDict(
        {split: Dataset.from_dict({"text": texts}, features=features) for split, texts in kept.items() if texts}
    )


def _without(texts: list[str], known: set[str]) -> list[str]:
    return [text for text in texts if text not in known]
