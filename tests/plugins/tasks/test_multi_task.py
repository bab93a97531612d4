"""Several targets on one body: each learned as if alone, measured by its name, and told what does not fit."""

from __future__ import annotations

import contextlib
import copy
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.nn import functional as F

import modrack
from modrack.runner.parts import Parts
from modrack.runner.remeasure import remeasure
from modrack.runner.update import Update
from modrack_plugins.metrics.several import MeanAccuracy, TargetAccuracy
from modrack_plugins.tasks.multi_task import MultiTask

TARGETS = {"colour": ["red", "green"], "size": ["s", "m", "l"]}


def task(**options: Any) -> MultiTask:
    data: Any = SimpleNamespace(targets=TARGETS, gives="tabular", target="several", mean=None)
    return MultiTask(data, None, **options)


def batch(targets: list[list[int]], training: bool = True) -> Any:
    table = torch.randn(len(targets), 5, generator=torch.Generator().manual_seed(0))
    return modrack.Batch({"tabular": table, "target": torch.tensor(targets)}, size=len(targets), training=training)


def test_each_head_has_the_loss_it_would_have_alone() -> None:
    parts: Any = SimpleNamespace(model=lambda x: x)
    given = batch([[0, 2], [1, 0], [1, 1]])
    made, counts = task().step(parts, given, "train"), task().count(given, "train")
    assert isinstance(made.loss, dict)
    scores = given["tabular"]
    for at, (name, columns) in enumerate((("colour", slice(0, 2)), ("size", slice(2, 5)))):
        alone = F.cross_entropy(scores[:, columns], given["target"][:, at])
        torch.testing.assert_close(made.loss[name] / counts[name], alone)
    weighted = task(weights=[1, 0.5]).step(parts, given, "train").loss
    assert isinstance(weighted, dict)
    torch.testing.assert_close(weighted["size"], made.loss["size"] / 2)


def test_a_row_that_lacks_a_target_teaches_the_others() -> None:
    parts: Any = SimpleNamespace(model=lambda x: x)
    whole, lacking = batch([[0, 2], [1, 0]]), batch([[0, 2], [1, -1]])
    a, b = (task().step(parts, each, "train").loss for each in (whole, lacking))
    assert isinstance(a, dict)
    assert isinstance(b, dict)
    torch.testing.assert_close(a["colour"], b["colour"])
    assert {name: int(value) for name, value in task().count(lacking, "train").items()} == {"colour": 2, "size": 1}
    assert b["size"] < a["size"]


@pytest.mark.parametrize("accumulate", [1, 2, 6])
def test_blanks_teach_the_same_however_a_step_is_split(accumulate: int) -> None:
    rows = [[0, -1], [1, -1], [-1, 2], [0, -1], [1, -1], [1, -1]]
    given = batch(rows)
    torch.manual_seed(0)
    layer = torch.nn.Linear(5, 5).double()
    made = task()
    alone = copy.deepcopy(layer)
    scores, targets = alone(given["tabular"].double()), given["target"]
    (
        F.cross_entropy(scores[:, :2], targets[:, 0], ignore_index=-1)
        + F.cross_entropy(scores[2:3, 2:], targets[2:3, 1])
    ).backward()
    parts = Parts({"model": layer})
    update = Update(
        parts, made, {"model": torch.optim.SGD(layer.parameters(), lr=1.0)}, {}, device=torch.device("cpu"),
        autocast=contextlib.nullcontext(), seed=0, clip=None,
    )  # fmt: skip
    before = layer.weight.detach().clone()
    made.forward = lambda part, each: part(each["tabular"].double())  # type: ignore[method-assign]
    made.prepare = lambda each: each  # type: ignore[method-assign]
    size = len(rows) // accumulate
    update(0, [_slice(given, place, size) for place in range(0, len(rows), size)])
    assert alone.weight.grad is not None
    torch.testing.assert_close(before - layer.weight, alone.weight.grad)
    # Of a step without a target nothing is learned for it, and nothing said.
    update.take()
    update(1, [_slice(given, 0, 2)])
    values, bad = update.take()
    assert bad is None
    assert set(values) == {"colour.loss", "loss"}


def _slice(given: Any, place: int, size: int) -> Any:
    columns = {name: column[place : place + size] for name, column in given.items()}
    return modrack.Batch(
        columns, size=size, rows=torch.arange(place, place + size), training=True, key=(0, 0), place=place
    )


def test_accuracies_by_target() -> None:
    data: Any = SimpleNamespace(targets=TARGETS)
    by_target, mean = TargetAccuracy(data), MeanAccuracy(data)
    scores = torch.tensor([[1.0, 0, 1, 0, 0], [1, 0, 0, 1, 0], [0, 1, 0, 0, 1], [0, 1, 0, 0, 1]])
    targets = torch.tensor([[0, 0], [1, 1], [1, 0], [1, -1]])
    for meter in (by_target, mean):
        for rows in (slice(0, 1), slice(1, 4)):
            meter.update(scores[rows], targets[rows])
    assert by_target.compute() == {"colour": 0.75, "size": pytest.approx(2 / 3)}
    assert mean.compute() == pytest.approx((0.75 + 2 / 3) / 2)
    one = MeanAccuracy(data)
    one.update(scores[:2], torch.tensor([[0, -1], [1, -1]]))
    assert one.compute() == 0.5  # a target that no row has says nothing


def people(folder: Path) -> Path:
    rows = [f"{'a good film' if n % 2 else 'a bad film'} of {n % 3},{'ab'[n % 2]},{'xyz'[n % 3]}" for n in range(60)]
    (folder / "rows.csv").write_text("text,mood,year\n" + "\n".join(rows) + "\n")
    return folder / "rows.csv"


def test_two_columns_of_a_file(tmp_path: Path) -> None:
    words: dict[str, Any] = {
        "dataset": "files", "dataset.path": str(people(tmp_path)), "dataset.label": "mood,year", "model": "gru",
        "model.width": 8, "model.vocabulary": 60, "epochs": 1, "threads": 1,
    }  # fmt: skip
    run = modrack.train(home=tmp_path / "home", **words)
    assert run.task == "multi-task"
    assert {"test.target-accuracy.mood", "test.target-accuracy.year", "test.mean-accuracy", "test.mood.loss"} <= set(
        run.metrics
    )
    (answer,) = run.predict("a good film of 1")
    assert set(answer) == {"mood", "mood_probability", "year", "year_probability"}
    assert answer["year"] in "xyz"


def test_a_row_of_a_file_may_lack_all_targets_but_one(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    rows = [f"a film of {n % 3}," + (f"{'ab'[n // 2 % 2]}," if n % 2 else f",{'xyz'[n % 3]}") for n in range(60)]
    file.write_text("text,mood,year\n" + "\n".join(rows) + "\n")
    words: dict[str, Any] = {
        "dataset": "files", "dataset.path": str(file), "dataset.label": "mood,year", "model": "gru", "model.width": 8,
        "model.vocabulary": 60, "epochs": 1, "threads": 1, "home": tmp_path / "home",
    }  # fmt: skip
    run = modrack.train(**words)
    assert 0 <= run.metrics["test.mean-accuracy"] <= 1
    other = tmp_path / "other.csv"
    other.write_text("text,mood,year\n" + "".join(f"film {n},{'ab'[n % 2]},\n" for n in range(40)))
    measured = remeasure(run, words=[f"dataset.path={other}"]).measured.values
    assert 0 <= measured["target-accuracy.mood"] <= 1
    assert measured["mean-accuracy"] == measured["target-accuracy.mood"]
    # The rows of year alone, and the targets the other way round.
    other.write_text("text,mood,year\n" + "".join(f"film {n},,{'xyz'[n % 3]}\n" for n in range(40)))
    turned = remeasure(run, words=[f"dataset.path={other}", "dataset.label=year,mood"]).measured.values
    assert turned == remeasure(run, words=[f"dataset.path={other}"]).measured.values
    assert math.isnan(turned["target-accuracy.mood"])
    assert set(turned) >= {"loss", "year.loss"}
    assert "mood.loss" not in turned
    file.write_text(file.read_text() + "a film of none,,\n")
    with pytest.raises(modrack.UserError, match=r"row 61.*no label in mood or year"):
        modrack.train(**words)
    file.write_text("text,mood,year\n" + "".join(f"film {n},{'ab'[n % 2]},\n" for n in range(40)))
    with pytest.raises(modrack.UserError, match="no row of train has a label in 'year'"):
        modrack.train(**words)


def test_a_bert_has_a_number_for_each_class_of_all_targets(tmp_path: Path) -> None:
    words: dict[str, Any] = {
        "dataset": "files", "dataset.path": str(people(tmp_path)), "dataset.label": "mood,year", "model": "bert",
        "model.pretrained": False, "model.layers": 1, "model.width": 16, "model.heads": 2, "model.vocabulary": 60,
        "steps": 2, "threads": 1,
    }  # fmt: skip
    run = modrack.train(home=tmp_path / "home", **words)
    assert run.load_model().config.num_labels == 5
    assert set(run.predict("a good film")[0]) >= {"mood", "year"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dataset.label": "mood,yaer"}, "has no column 'yaer'"),
        ({"dataset.label": "mood,"}, "name two columns or more"),
        ({"dataset.label": "mood", "task": "multi-task"}, "learns from several, and the data's target is class"),
        ({"metric": ["accuracy"]}, "asks for logits, target|asks for logits"),
        ({"task": "classification"}, "target is several"),
        ({"task.weights": [1.0]}, "there are 2 targets"),
        ({"task.weights": [0.0, 0.0]}, "one at least is more"),
    ],
)
def test_what_does_not_fit_is_told(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    words: dict[str, Any] = {
        "dataset": "files", "dataset.path": str(people(tmp_path)), "dataset.label": "mood,year", "model": "gru",
        "model.width": 8, "model.vocabulary": 60, "task": "multi-task",
    }  # fmt: skip
    with pytest.raises(modrack.UserError, match=said):
        modrack.train(home=tmp_path / "home", **words | changes)
    assert not (tmp_path / "home").exists()
