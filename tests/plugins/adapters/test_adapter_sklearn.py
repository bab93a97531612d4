"""sklearn/* among the datasets."""

from __future__ import annotations

import pytest
from sklearn import datasets

import modrack
from modrack.data.facts import derive
from modrack_registry.errors import UserError


@pytest.mark.parametrize(
    ("name", "rows", "columns", "classes"),
    [
        ("iris", 149, 4, ["setosa", "versicolor", "virginica"]),  # One of the 150 is there twice.
        ("wine", 178, 13, ["class_0", "class_1", "class_2"]),
        ("breast-cancer", 569, 30, ["malignant", "benign"]),
        ("digits", 1797, 64, [str(number) for number in range(10)]),
        ("diabetes", 442, 10, None),
    ],
)
def test_what_it_holds(make, name, rows, columns, classes):
    made = make("dataset", f"sklearn/{name}", {})
    data, splits = derive(made, name=name)
    assert (data.gives, data.shape, data.classes) == ("tabular", (columns,), classes)
    assert data.target == ("number" if classes is None else "class")
    assert sum(size or 0 for size in data.sizes.values()) == rows
    assert all(data.sizes.values())
    assert set(data.cuts) == {"test", "validation"}
    loaded = getattr(datasets, f"load_{name.replace('-', '_')}")()
    whole = made["train"]
    assert sorted(map(tuple, whole["features"])) == sorted(
        {tuple(map(float, row.astype("float32"))) for row in loaded.data}
    )
    assert len(splits["train"]) == data.sizes["train"]


def test_what_is_not_offered(registry):
    with pytest.raises(UserError, match="sklearn/linnerud: a row has three targets"):
        registry.find("dataset", "sklearn/linnerud")


def test_they_conform(conforms):
    assert conforms("sklearn/iris", "sklearn/wine", "sklearn/breast-cancer", "sklearn/diabetes") == 4 * 8


def test_a_run_of_parts_from_families(tmp_path):
    run = modrack.train(
        model="mlp",
        dataset="sklearn/wine",
        optimizer="torch/nadam",
        scheduler="torch/one-cycle-lr",
        metric=["accuracy", "torchmetrics/cohen-kappa"],
        epochs=2,
        home=tmp_path,
        **{"model.width": 8, "optimizer.betas": [0.8, 0.99], "metric.torchmetrics/cohen-kappa.weights": "linear"},
    )
    assert run.status == "finished"
    used = {each["full"]: each["version"] for each in run.components}
    assert used["modrack/torch/nadam"].startswith("0.1.0+torch.2.")
    assert used["modrack/sklearn/wine"].startswith("0.1.0+scikit.learn.1.")
    assert used["modrack/torchmetrics/cohen-kappa"].startswith("0.1.0+torchmetrics.1.")
    assert "test.torchmetrics/cohen-kappa" in run.metrics
    assert run.params["metric.torchmetrics/cohen-kappa.weights"] == "linear"
    assert run.params["optimizer.momentum_decay"] == 0.004
