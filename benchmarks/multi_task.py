"""Two heads on one body beside each head alone: the same body, rows, epochs and steps.

    python benchmarks/multi_task.py [--seeds 3] [--limit 4000] [--epochs 6]

`gru` on `names`: which language a name is in, and what it names. Alone means that the other head's loss weighs nothing.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

import modrack

WEIGHTS = {"both": [1.0, 1.0], "language alone": [1.0, 0.0], "kind alone": [0.0, 1.0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=4000)
    parser.add_argument("--epochs", type=int, default=6)
    arguments = parser.parse_args()
    example = Path(__file__).parents[1] / "examples/multi-task.toml"
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in WEIGHTS}
    for seed in range(arguments.seeds):
        for name, weights in WEIGHTS.items():
            words: dict[str, Any] = {
                "task.weights": weights, "seed": seed, "limit": arguments.limit, "epochs": arguments.epochs,
                "threads": 1,
            }  # fmt: skip
            with tempfile.TemporaryDirectory() as home:
                metrics = modrack.train(example, home=home, **words).metrics
            found[name].append((metrics["test.target-accuracy.language"], metrics["test.target-accuracy.kind"]))
    print("| heads that learn | language | kind |\n|---|---|---|")
    for name, pairs in found.items():
        means = [statistics.mean(values) for values in zip(*pairs, strict=True)]
        spread = [statistics.stdev(values) if len(values) > 1 else 0.0 for values in zip(*pairs, strict=True)]
        print(f"| {name} | " + " | ".join(f"{m:.4f} ± {s:.4f}" for m, s in zip(means, spread, strict=True)) + " |")


if __name__ == "__main__":
    main()
