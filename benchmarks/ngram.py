"""What n-gram models make of the same tokens as a causal language model: the baseline it must beat.

python benchmarks/ngram.py RUN [--home FOLDER]     of a run of `modrack train --model gpt …`

Interpolated Kneser-Ney smoothing with one discount an order, n1 / (n1 + 2 n2) (Chen and Goodman, Computer Speech &
Language 13, 1999, doi:10.1006/csla.1999.0128, sections 2.7 and 4.1), down to an even choice among the vocabulary. The
counts are of train; which order serves best is seen on validation, and all of them are printed for test.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Ints = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass
class Order:
    """Counts of one order: of n-grams, and of what may stand before their last token (total, and how many kinds)."""

    grams: Ints
    counts: Ints
    contexts: Ints
    totals: Ints
    kinds: Ints
    discount: float

    @classmethod
    def of(cls, grams: Ints, counts: Ints, vocabulary: int) -> Order:
        """From sorted n-grams, spelled as one number to the base of the vocabulary, and how often each counts."""
        contexts, where, kinds = np.unique(grams // vocabulary, return_inverse=True, return_counts=True)
        totals = np.bincount(where, weights=counts, minlength=len(contexts)).astype(np.int64)
        once, twice = int((counts == 1).sum()), int((counts == 2).sum())
        # Where nothing came once, there is nothing to estimate from; something must be left for what never came.
        discount = once / (once + 2 * twice) if once else 0.5
        return cls(grams, counts, contexts, totals, kinds, discount)

    def share(self, grams: Ints, vocabulary: int, lower: Floats) -> Floats:
        """Probabilities of the last tokens of `grams` (n,), given those that the order below gives them."""
        place, seen = _find(self.grams, grams)
        count = np.where(seen, self.counts[place], 0)
        place, known = _find(self.contexts, grams // vocabulary)
        total = np.where(known, self.totals[place], 1)
        left = np.where(known, self.discount * self.kinds[place] / total, 1.0)
        return np.maximum(count - self.discount, 0) / total + left * lower


class Ngrams:
    """An n-gram model of a stream of tokens (n,) below `vocabulary`; `order` is how many tokens it looks at."""

    def __init__(self, stream: Ints, vocabulary: int, order: int = 3) -> None:
        if vocabulary**order >= 2**63:
            raise ValueError(f"{order}-grams of {vocabulary} kinds of tokens cannot be numbered")
        self.vocabulary = vocabulary
        grams, counts = np.unique(_spelled(stream, vocabulary, order), return_counts=True)
        self.orders = [Order.of(grams, counts, vocabulary)]
        for power in range(order - 1, 0, -1):
            # Below the highest order what counts is how many different tokens stood before.
            grams, counts = np.unique(grams % vocabulary**power, return_counts=True)
            self.orders.insert(0, Order.of(grams, counts, vocabulary))

    def chances(self, stream: Ints) -> Floats:
        """The probability of each token of a stream (n,) but the first `order` - 1."""
        grams = _spelled(stream, self.vocabulary, len(self.orders))
        chance = np.full(len(grams), 1 / self.vocabulary)
        for power, order in enumerate(self.orders, 1):
            chance = order.share(grams % self.vocabulary**power, self.vocabulary, chance)
        return chance

    def perplexity(self, stream: Ints) -> float:
        """exp of the mean negative log-likelihood."""
        return math.exp(-float(np.log(self.chances(stream)).mean()))


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("run", type=int)
    words.add_argument("--home", type=Path)
    asked = words.parse_args()

    import modrack
    from modrack.runner.build import load_data
    from modrack.runner.encode import encode_split
    from modrack.runner.stored import load_stored

    run = next(iter(modrack.runs(f"id={asked.run}", home=asked.home)))
    experiment, data, parts = load_stored(run)
    chosen = experiment.one("task")
    assert chosen is not None
    task = chosen.component.make({"data": data, "processor": parts.processor}, chosen.options)
    _, splits = load_data(experiment)
    streams = {split: _stream(encode_split(splits[split], task).columns["input_ids"]) for split in splits}
    kinds = len(parts.processor)
    for order in range(2, 6):
        made = Ngrams(streams["train"], kinds, order)
        found = {split: round(made.perplexity(streams[split]), 2) for split in ("validation", "test")}
        print(json.dumps({"order": order, **found}))
    print(json.dumps({"tokens": len(streams["test"]), "run": run.metrics.get("test.perplexity")}))


def _spelled(stream: Ints, vocabulary: int, order: int) -> Ints:
    """Each run of `order` tokens as one number to the base of the vocabulary."""
    last = len(stream) - order + 1
    grams = np.zeros(last, np.int64)
    for place in range(order):
        grams = grams * vocabulary + stream[place : place + last]
    return grams


def _stream(column: Any) -> Ints:
    """The rows end to end, without the token that each but the first repeats."""
    keep = np.ones(len(column.values), bool)
    keep[column.offsets[1:-1]] = False
    return column.values[keep].astype(np.int64)


def _find(keys: Ints, wanted: Ints) -> tuple[Ints, Any]:
    """Where each is among sorted keys, and whether it is there."""
    place = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    return place, keys[place] == wanted


if __name__ == "__main__":
    main()
