"""What a 3-gram model makes of the same tokens as a causal language model: the baseline it must beat.

python benchmarks/ngram.py RUN [--home FOLDER]     of a run of `modrack train --model gpt …`

Interpolated Kneser-Ney smoothing with one discount an order, n1 / (n1 + 2 n2) (Chen and Goodman, Computer Speech &
Language 13, 1999, doi:10.1006/csla.1999.0128, sections 2.7 and 4.1), down to an even choice among the vocabulary.
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


class Trigrams:
    """A 3-gram model of a stream of tokens (n,) below `vocabulary`."""

    def __init__(self, stream: Ints, vocabulary: int) -> None:
        size = self.vocabulary = vocabulary
        three, counts = np.unique((stream[:-2] * size + stream[1:-1]) * size + stream[2:], return_counts=True)
        # Below the highest order what counts is how many different tokens stood before.
        two, before = np.unique(three % size**2, return_counts=True)
        one, before_one = np.unique(two % size, return_counts=True)
        self.orders = [Order.of(one, before_one, size), Order.of(two, before, size), Order.of(three, counts, size)]

    def chances(self, stream: Ints) -> Floats:
        """The probability of each token of a stream (n,) but the first two, (n - 2,)."""
        size = self.vocabulary
        grams = (stream[:-2] * size + stream[1:-1]) * size + stream[2:]
        chance = np.full(len(grams), 1 / size)
        for power, order in enumerate(self.orders, 1):
            chance = order.share(grams % size**power, size, chance)
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
    streams = {name: _stream(encode_split(splits[name], task).columns["input_ids"]) for name in ("train", "test")}
    made = Trigrams(streams["train"], len(parts.processor)).perplexity(streams["test"])
    print(json.dumps({"tokens": len(streams["test"]), "3-gram": made, "run": run.metrics.get("test.perplexity")}))


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
