"""Two heads on one body beside each head alone: `gru` on `names`, which language a name is in and what it names.

    python benchmarks/multi_task.py [--seeds 3] [--limit 6000] [--epochs 20]

Twice: where every row has both targets, and where each row of train has one of them, every second row the other one.
Then a body with two heads learns from all rows, and a head alone from the half that has its target, in as many steps.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import tempfile
from pathlib import Path
from typing import Any

import modrack
from modrack_registry.registry import load_registry

TARGETS = ("language", "kind")
# What `gru` has on `names` by itself: from a file the same names are read with the same model.
MODEL: dict[str, Any] = {
    "model": "gru", "model.tokenizer": "characters", "model.vocabulary": 300, "model.max_length": 64,
    "model.embedding": 96, "model.dropout": 0.4, "model.blanks": 0.15, "ema": 0.998, "device": "cpu", "threads": 1,
}  # fmt: skip
# {heads that learn: test accuracies of one seed after the other}
Found = dict[str, dict[str, list[float]]]


def table(found: Found, title: str) -> None:
    print(f"\n{title}\n\n| heads that learn | {' | '.join(TARGETS)} |\n|---|---|---|")
    for heads, scores in found.items():
        print(f"| {heads} | {' | '.join(spread(scores.get(name, [])) for name in TARGETS)} |", flush=True)


def spread(values: list[float]) -> str:
    if not values:
        return ""
    return f"{statistics.mean(values):.4f} ± {statistics.stdev(values) if len(values) > 1 else 0:.4f}"


def train(found: Found, heads: str, learned: tuple[str, ...], words: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as home:
        metrics = modrack.train(home=home, **MODEL | words).metrics
    for name in learned:
        score = metrics[f"test.target-accuracy.{name}"] if "test.mean-accuracy" in metrics else metrics["test.accuracy"]
        found.setdefault(heads, {}).setdefault(name, []).append(score)


def all_labelled(seeds: int, limit: int | None, epochs: int) -> Found:
    """Alone means that the other head's loss weighs nothing: the same body, rows and steps."""
    found: Found = {}
    words = {"dataset": "names", "dataset.kinds": True, "limit": limit, "epochs": epochs}
    for seed in range(seeds):
        train(found, "both", TARGETS, words | {"seed": seed})
        for at, name in enumerate(TARGETS):
            weights = [float(place == at) for place in range(len(TARGETS))]
            monitor = f"validation.target-accuracy.{name}"
            train(found, f"{name} alone", (name,), words | {"seed": seed, "task.weights": weights, "monitor": monitor})
    return found


def half_labelled(seeds: int, limit: int | None, epochs: int) -> Found:
    """Alone means a run of classification on the rows that have the target."""
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
                write(folder / f"{split}.csv", list(rows)[:limit], kept, classes, halved=split == "train")
            words = {
                "dataset": "files", "dataset.path": str(folder), "dataset.text": "text",
                "dataset.label": ",".join(kept), "epochs": epochs * (1 if len(kept) > 1 else len(TARGETS)),
            }  # fmt: skip
            for seed in range(seeds):
                train(found, heads, kept, words | {"seed": seed})
    return found


def write(path: Path, rows: list[Any], kept: tuple[str, ...], classes: dict[str, list[str]], *, halved: bool) -> None:
    """A csv of the `kept` targets; `halved`, row after row has another one of all targets and no more."""
    with path.open("w", encoding="utf-8", newline="") as file:
        sheet = csv.writer(file)
        sheet.writerow(["text", *kept])
        for number, row in enumerate(rows):
            has = (TARGETS[number % len(TARGETS)],) if halved else TARGETS
            cells = [classes[name][row["label"][name]] if name in has else "" for name in kept]
            if any(cells):
                sheet.writerow([row["text"], *cells])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=6000)
    parser.add_argument("--epochs", type=int, default=20)
    asked = parser.parse_args()
    table(all_labelled(asked.seeds, asked.limit, asked.epochs), "All rows have both targets")
    table(half_labelled(asked.seeds, asked.limit, asked.epochs), "Each row of train has one target")
