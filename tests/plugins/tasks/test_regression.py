"""The regression task, and the multilayer perceptron over tables."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Value

import modrack
from modrack.data.facts import Data, derive
from modrack.runner.encode import encode_split
from modrack.runner.feeder import Feeder
from modrack_registry.errors import UserError
from modrack_registry.registry import load_registry

REGISTRY = load_registry()
CPU = torch.device("cpu")


def make(kind: str, name: str, given: dict[str, Any], **options: Any) -> Any:
    component = REGISTRY.find(kind, name)
    return component.make(given, {each: option.default for each, option in component.options.items()} | options)


@pytest.fixture
def people() -> tuple[Data, dict[str, Any]]:
    """Sixty rows of an age and a job, each with gaps; the target is far from nought."""
    draw = np.random.default_rng(0)
    rows = [
        {"age": None if n % 9 == 0 else float(draw.integers(20, 70)), "job": None if n % 7 == 0 else n % 3}
        for n in range(60)
    ]
    features = Features(
        {"row": {"age": Value("float32"), "job": ClassLabel(names=["a", "b", "c"])}, "income": Value("float32")}
    )
    income = draw.normal(1000, 50, 60)
    return derive(Dataset.from_dict({"row": rows, "income": income}, features=features), name="people")


def batch_of(data: Data, splits: dict[str, Any], task: modrack.Task) -> modrack.Batch:
    encoded = encode_split(splits["train"], task)
    return next(Feeder(encoded, batch_size=16, device=CPU, resident=False).once())


@pytest.mark.parametrize("loss", ["squared", "absolute", "huber"])
def test_the_loss_is_of_standardised_numbers_and_the_output_in_units(people: Any, loss: str) -> None:
    data, splits = people
    task = make("task", "regression", {"data": data, "processor": None}, loss=loss, delta=0.5)
    said = torch.linspace(-2, 2, 16)
    batch = task.prepare(batch_of(data, splits, task))
    step = task.step(SimpleNamespace(model=lambda rows: said[: len(rows), None]), batch, "train")
    mean, std = np.mean(splits["train"]["income"][:]), np.std(splits["train"]["income"][:])
    assert step.outputs["prediction"].numpy() == pytest.approx(said.numpy() * std + mean, rel=1e-5)
    away = said.numpy() - (batch["target"].numpy() - mean) / std
    far = np.abs(away)
    wanted = {"squared": away**2, "absolute": far, "huber": np.where(far < 0.5, away**2 / 2, 0.5 * (far - 0.25))}
    assert step.loss.numpy() == pytest.approx(wanted[loss], abs=1e-4)
    assert task.count(batch, "train") == 16
    told = task.predict(SimpleNamespace(model=lambda rows: said[: len(rows), None]), batch)
    assert told == {"prediction": pytest.approx(step.outputs["prediction"].tolist())}


def test_a_model_of_several_numbers_is_refused(people: Any) -> None:
    data, splits = people
    task = make("task", "regression", {"data": data, "processor": None})
    batch = task.prepare(batch_of(data, splits, task))
    with pytest.raises(UserError, match="gives 3 numbers a row"):
        task.step(SimpleNamespace(model=lambda rows: rows.new_zeros(len(rows), 3)), batch, "train")


def test_gaps_are_filled_with_the_mean_and_categories_are_embedded(people: Any) -> None:
    data, splits = people
    task = make("task", "regression", {"data": data, "processor": None})
    raw = batch_of(data, splits, task)
    numbers, places = raw["tabular"][:, 0].clone(), raw["tabular"][:, 1].clone()
    batch = task.prepare(raw)
    assert batch["tabular"][:, 0].isfinite().all()
    assert (batch["tabular"][:, 0][numbers.isnan()] == 0).all()
    assert torch.equal(batch["tabular"][:, 1], places)
    ages = np.asarray([row["age"] for row in splits["train"]["row"][:] if row["age"] is not None])
    there = ~numbers.isnan()
    wanted = (numbers[there].numpy() - ages.mean()) / ages.std()
    assert batch["tabular"][there, 0].numpy() == pytest.approx(wanted, abs=1e-4)
    model = make("model", "mlp", {"data": data}, width=8, embedding=3)
    columns = model[0]
    made = columns(batch["tabular"])
    assert made.shape == (16, 4)
    assert torch.equal(made[:, 0], batch["tabular"][:, 0])
    assert torch.equal(made[:, 1:], columns.tables[0].weight[places.long() + 1])
    assert (made[places == -1, 1:] == 0).all(), "until it was seen in training, a gap says nothing"
    model(batch["tabular"]).sum().backward()
    assert columns.tables[0].weight.grad[0].abs().sum() > 0, "and then it is learned as any other"


def test_a_column_of_one_number_does_no_harm() -> None:
    features = Features({"row": {"x": Value("float32"), "y": Value("float32")}, "label": Value("float32")})
    rows = [{"x": 1e6, "y": float(n)} for n in range(40)]
    data, splits = derive(Dataset.from_dict({"row": rows, "label": [5.0] * 40}, features=features), name="flat")
    assert (data.std or [0])[0] == 1
    assert (data.target_mean, data.target_std) == (5, 1)
    task = make("task", "regression", {"data": data, "processor": None})
    assert task.prepare(batch_of(data, splits, task))["tabular"].abs().max() < 5


def test_diabetes_trains_and_numbers_pick_their_metrics(tmp_path: Any) -> None:
    run = modrack.train(model="mlp", dataset="sklearn/diabetes", home=tmp_path, device="cpu", threads=1, epochs=15)
    assert run.task == "regression"
    assert run.params["task.loss"] == "squared"
    assert set(run.metrics) >= {"test.rmse", "test.mae", "test.r2"}
    assert "test.accuracy" not in run.metrics
    assert run.metrics["test.r2"] > 0.2


@pytest.mark.parametrize("name", ["cnn", "resnet"])
def test_images_can_have_a_number_too(name: str) -> None:
    images = np.zeros((40, 8, 8), np.uint8)
    from datasets import Array2D

    features = Features({"image": Array2D((8, 8), "uint8"), "age": Value("float32")})
    table = Dataset.from_dict({"image": list(images), "age": np.arange(40.0)}, features=features)
    data, splits = derive(table, name="faces")
    task = make("task", "regression", {"data": data, "processor": None})
    model = make("model", name, {"data": data}, width=8)
    batch = task.prepare(batch_of(data, splits, task))
    assert task.step(SimpleNamespace(model=model), batch, "train").outputs["prediction"].shape == (16,)
