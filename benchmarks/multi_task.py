"""Two heads on one body beside each head alone.

    python benchmarks/multi_task.py [--seeds 3] [--limit 6000] [--epochs 20] [--only all half few tags]

`gru` on `names`, which language a name is in and what it names, three times: where every row has both targets; where
each row of train has one of them, every second row the other one; and where all rows of train have the language, every
twentieth what is named as well. In the last two a body with two heads learns from all rows, and a head alone from those
that have its target. Then (`tags`) `lstm` on `cldr-entities`: the named entities of a sentence, and what it is about.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import spread

import modrack
from modrack_registry.registry import load_registry

TARGETS = ("language", "kind")
# What `gru` has on `names` by itself: from a file the same names are read with the same model.
MODEL: dict[str, Any] = {
    "model": "gru", "model.tokenizer": "characters", "model.vocabulary": 300, "model.max_length": 64,
    "model.embedding": 96, "model.dropout": 0.4, "model.blanks": 0.15, "ema": 0.998, "device": "cpu", "threads": 1,
}  # fmt: skip
# The targets that a row has, by its number.
Has = Callable[[int], tuple[str, ...]]
# {heads that learn: test accuracies of one seed after the other}
Found = dict[str, dict[str, list[float]]]


def table(found: Found, title: str) -> None:
    targets = list(dict.fromkeys(name for scores in found.values() for name in scores))
    print(f"\n{title}\n\n| heads that learn | {' | '.join(targets)} |\n|{'---|' * (len(targets) + 1)}")
    for heads, scores in found.items():
        print(
            f"| {heads} | {' | '.join(spread(scores[name]) if name in scores else '' for name in targets)} |",
            flush=True,
        )


def train(found: Found, heads: str, learned: dict[str, str], words: dict[str, Any]) -> None:
    """One run; `learned` are the heads to tell of, each with its metric."""
    with tempfile.TemporaryDirectory() as home:
        metrics = modrack.train(home=home, **words).metrics
    for name, metric in learned.items():
        # A run with one target has no name for it.
        score = metrics.get(f"test.{name}.{metric}", metrics.get(f"test.{metric}"))
        found.setdefault(heads, {}).setdefault(name, []).append(score)


def all_labelled(seeds: int, words: dict[str, Any], heads: dict[str, str], weights: list[float] | None = None) -> Found:
    """Alone means that the other head's loss weighs nothing: the same body, rows and steps."""
    found: Found = {}
    for seed in range(seeds):
        train(found, "both", heads, words | {"seed": seed})
        if weights is not None:
            train(found, f"both, weights {weights}", heads, words | {"seed": seed, "task.weights": weights})
        for at, (name, metric) in enumerate(heads.items()):
            lone: dict[str, Any] = {"task.weights": [float(place == at) for place in range(len(heads))]}
            lone["monitor"] = f"validation.{name}.{metric}"
            train(found, f"{name} alone", {name: metric}, words | {"seed": seed} | lone)
    return found


def partly_labelled(seeds: int, limit: int | None, epochs: dict[str, int], has: Has) -> Found:
    """Alone means a run of classification on the rows that have the target, for epochs of its own."""
    made = load_registry().find("dataset", "names")
    options = {key: option.default for key, option in made.options.items()}
    splits = made.make({}, options | {"kinds": True})
    classes = {name: splits["train"].features["label"][name].names for name in TARGETS}
    found: Found = {}
    with tempfile.TemporaryDirectory() as place:
        for heads, kept in (("both", TARGETS), *((f"{name} alone", (name,)) for name in TARGETS)):
            folder = Path(place) / heads
            folder.mkdir()
            for split, rows in splits.items():
                there = has if split == "train" else lambda _: TARGETS
                write(folder / f"{split}.csv", list(rows)[:limit], kept, classes, there)
            words = MODEL | {
                "dataset": "files", "dataset.path": str(folder), "dataset.text": "text",
                "dataset.label": ",".join(kept), "epochs": epochs[heads],
            }  # fmt: skip
            for seed in range(seeds):
                train(found, heads, dict.fromkeys(kept, "accuracy"), words | {"seed": seed})
    return found


def write(path: Path, rows: list[Any], kept: tuple[str, ...], classes: dict[str, list[str]], has: Has) -> None:
    """A csv of the `kept` targets, each row with those that it `has`; rows with none are left out."""
    with path.open("w", encoding="utf-8", newline="") as file:
        sheet = csv.writer(file)
        sheet.writerow(["text", *kept])
        for number, row in enumerate(rows):
            cells = [classes[name][row["label"][name]] if name in has(number) else "" for name in kept]
            if any(cells):
                sheet.writerow([row["text"], *cells])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=6000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--only", nargs="*", default=["all", "half", "few", "tags"])
    asked = parser.parse_args()
    seeds, limit, epochs = asked.seeds, asked.limit, asked.epochs
    if "all" in asked.only:
        words = MODEL | {"dataset": "names", "dataset.kinds": True, "limit": limit, "epochs": epochs}
        table(all_labelled(seeds, words, dict.fromkeys(TARGETS, "accuracy")), "All rows have both targets")
    if "half" in asked.only:
        each = {"both": epochs} | dict.fromkeys((f"{name} alone" for name in TARGETS), 2 * epochs)
        found = partly_labelled(seeds, limit, each, lambda number: (TARGETS[number % 2],))
        table(found, "Each row of train has one target")
    if "few" in asked.only:
        each = {"both": epochs, "language alone": epochs, "kind alone": 5 * epochs}
        found = partly_labelled(seeds, limit, each, lambda number: TARGETS[: 1 if number % 20 else 2])
        table(found, "Every twentieth row of train has its kind too")
    if "tags" in asked.only:
        words = {
            "dataset": "cldr-entities", "dataset.about": True, "dataset.rows": limit, "model": "lstm", "device": "cpu",
            "threads": 1,
        }  # fmt: skip
        heads = {"tags": "span-f1", "about": "accuracy"}
        table(all_labelled(seeds, words, heads, [1.0, 0.3]), "Tags of words, and a class of the sentence")
