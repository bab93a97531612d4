"""The three splits of a run: what is missing is cut from train, by a seeded rule that the run records."""

from __future__ import annotations

from typing import Any

from modrack_registry.errors import UserError

NAMES = ("train", "validation", "test")
# Shares of train, and the most rows that a cut takes: beyond that a score gets no steadier worth the rows.
SHARES = {"test": 0.2, "validation": 0.1}
MOST = 5_000
# Rows that validation takes from the front of a stream.
STREAMED = 2_000


def three_splits(
    made: Any, name: str, seed: int, limit: int | None, validation: float | None = None
) -> tuple[dict[str, Any], dict[str, str]]:
    """({split: rows}, {split: how it was cut}) of what the dataset `name` returned. Raises UserError.

    `limit` keeps the first rows of each split; `validation` is the share of train that becomes it, where it is missing.
    """
    splits = _splits(made, name)
    cuts: dict[str, str] = {}
    for missing in ("test", "validation"):
        if missing not in splits:
            asked = validation if missing == "validation" else None
            splits["train"], splits[missing], cuts[missing] = _cut(splits["train"], missing, name, seed, asked)
    for split, rows in splits.items():
        if limit is not None:
            splits[split] = rows.take(limit) if is_stream(rows) else rows.select(range(min(limit, len(rows))))
        if not is_stream(rows) and len(rows) == 0:
            raise UserError(f"dataset {name}: its split {split!r} has no rows.")
    return {split: splits[split] for split in NAMES}, cuts


def is_stream(rows: Any) -> bool:
    """Whether a split is read as it comes, without a length."""
    return type(rows).__name__ == "IterableDataset"


def _splits(made: Any, name: str) -> dict[str, Any]:
    if type(made).__name__ in ("Dataset", "IterableDataset"):
        made = {"train": made}
    if not isinstance(made, dict) or not all(type(v).__name__ in ("Dataset", "IterableDataset") for v in made.values()):
        raise UserError(
            f"dataset {name} returned {type(made).__name__}.",
            "Return a datasets.DatasetDict, with a split train at least.",
        )
    splits = {str(split): rows for split, rows in made.items()}
    if "train" not in splits:
        raise UserError(
            f"dataset {name} has no split 'train'; it has: {', '.join(splits) or 'none'}.", "Name one of them train."
        )
    return {split: splits[split] for split in NAMES if split in splits}


def _cut(train: Any, split: str, name: str, seed: int, asked: float | None) -> tuple[Any, Any, str]:
    """(what stays in train, the cut, how it was made)."""
    if is_stream(train):
        return train.skip(STREAMED), train.take(STREAMED), f"the first {STREAMED} rows of the stream"
    size = max(1, round(len(train) * (asked or SHARES[split])))
    if asked is None:
        size = min(size, MOST)
    if len(train) < 3:
        rows = "one row is" if len(train) == 1 else f"{len(train)} rows are"
        raise UserError(
            f"dataset {name}: {rows} too few to cut {split} from train.",
            f"It takes 3, or a {split} of its own. modrack show dataset {name} tells what makes a row.",
        )
    import numpy as np

    order = np.random.default_rng([seed, NAMES.index(split)]).permutation(len(train))
    # Sorted, so that what stays together on disk is read together.
    kept, cut = np.sort(order[size:]), np.sort(order[:size])
    how = f"{size} of {len(train)} rows of train, seed {seed}"
    return train.select(kept), train.select(cut), how
