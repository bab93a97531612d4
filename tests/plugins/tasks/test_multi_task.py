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
from datasets import ClassLabel, Dataset, DatasetDict, Features, Sequence, Value
from torch.nn import functional as F

import modrack
from modrack.configure.resolve import resolve
from modrack.data.facts import Data, derive
from modrack.runner.measures import choose_measures, monitored
from modrack.runner.parts import Parts
from modrack.runner.remeasure import remeasure
from modrack.runner.update import Update
from modrack_plugins.tasks.multi_task import MultiTask
from modrack_registry.registry import load_registry


def facts(*rows: dict[str, Any]) -> Data:
    """Of a colour and a size, or of what the rows have."""
    label: dict[str, Any] = {"colour": ClassLabel(names=["red", "green"]), "size": ClassLabel(names=["s", "m", "l"])}
    if rows:
        label = {"colour": label["colour"], "price": Value("float32")}
    features = Features({"row": Sequence(Value("float32"), length=5), "label": label})
    given = list(rows) or [{"colour": n % 2, "size": n % 3} for n in range(30)]
    table = Dataset.from_dict({"row": [[0.0] * 5] * len(given), "label": given}, features=features)
    return derive(DatasetDict(train=table), name="own", gives="tabular", target="several")[0]


def task(**options: Any) -> MultiTask:
    return MultiTask(facts(), None, **options)


def batch(targets: list[list[int]], training: bool = True) -> Any:
    table = torch.randn(len(targets), 5, generator=torch.Generator().manual_seed(0))
    columns = {f"target.{name}": torch.tensor(targets)[:, at] for at, name in enumerate(("colour", "size"))}
    return modrack.Batch({"tabular": table, **columns}, size=len(targets), training=training)


def test_each_head_has_the_loss_it_would_have_alone() -> None:
    parts: Any = SimpleNamespace(model=lambda x: x)
    given = batch([[0, 2], [1, 0], [1, 1]])
    made, counts = task().step(parts, given, "train"), task().count(given, "train")
    assert isinstance(made.loss, dict)
    scores = given["tabular"]
    for name, columns in (("colour", slice(0, 2)), ("size", slice(2, 5))):
        alone = F.cross_entropy(scores[:, columns], given[f"target.{name}"])
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
    scores, colours, sizes = alone(given["tabular"].double()), given["target.colour"], given["target.size"]
    (F.cross_entropy(scores[:, :2], colours, ignore_index=-1) + F.cross_entropy(scores[2:3, 2:], sizes[2:3])).backward()
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


def test_a_number_beside_a_class_is_learned_in_deviations_and_told_in_its_units() -> None:
    prices = [2.0, None, 4.0, 6.0, 8.0, None]
    data = facts(*[{"colour": n % 2 if n < 30 else None, "price": prices[n % 6]} for n in range(36)])
    price = data.targets["price"]
    assert (price.target, price.outputs, data.outputs) == ("number", 1, 3)
    assert price.target_mean == pytest.approx(5, abs=1)
    again = type(data).from_dict(data.to_dict())
    assert (again.targets["price"].target_mean, again.targets["price"].target_std) == (
        price.target_mean,
        price.target_std,
    )
    made = MultiTask(data, None)
    assert price.target_mean is not None
    assert price.target_std is not None
    mean, std = price.target_mean, price.target_std
    table = torch.tensor([[1.0, 0, 0.5], [0, 1, -1], [0, 1, 2]])
    given = modrack.Batch(
        {
            "tabular": table,
            "target.colour": torch.tensor([0, -1, 0]),
            "target.price": torch.tensor([mean, math.nan, mean + std]),
        },
        size=3,
    )
    parts: Any = SimpleNamespace(model=lambda x: x)
    step, counts = made.step(parts, given, "train"), made.count(given, "train")
    assert {name: int(count) for name, count in counts.items()} == {"colour": 2, "price": 2}
    assert isinstance(step.loss, dict)
    torch.testing.assert_close(step.loss["price"], torch.tensor(0.5**2 + 1.0))
    torch.testing.assert_close(step.loss["colour"], F.cross_entropy(table[[0, 2], :2], torch.tensor([0, 0])) * 2)
    measured = made.evaluate(parts, given).outputs
    torch.testing.assert_close(measured["price"]["prediction"], mean + std * torch.tensor([0.5, 2]))
    assert [len(each) for each in measured["colour"].values()] == [2, 2]
    told = made.predict(parts, given)
    assert told["colour"] == ["red", "green", "green"]
    assert told["price"] == pytest.approx([mean + std * 0.5, mean - std, mean + 2 * std])


def test_a_target_that_no_row_has_takes_no_part_in_the_mean() -> None:
    data = facts()
    made = MultiTask(data, None)
    experiment = resolve(load_registry(), values={"model": "mlp", "dataset": "digits", "task": "multi-task"})
    measures = choose_measures(experiment, made, experiment.needed("task").component, data)
    # By default there are metrics of numbers and of spans too; what fits no target is left out.
    assert [each.name for each in measures] == ["colour.accuracy", "size.accuracy"]
    assert monitored(measures, None) == ("validation.accuracy", "higher")
    assert monitored(measures, "size.accuracy") == ("validation.size.accuracy", "higher")
    assert [each.component.name for each in experiment.many("metric")] == ["accuracy"]


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
    assert {"test.mood.accuracy", "test.year.accuracy", "test.accuracy", "test.mood.loss"} <= set(run.metrics)
    (answer,) = run.predict("a good film of 1")
    assert set(answer) == {"mood", "mood_probability", "year", "year_probability"}
    assert answer["year"] in "xyz"


def test_a_target_may_be_called_as_another_ones_probability(tmp_path: Path) -> None:
    file = people(tmp_path)
    file.write_text(file.read_text().replace("mood,year", "mood,mood_probability"))
    words: dict[str, Any] = {
        "dataset": "files", "dataset.path": str(file), "dataset.label": "mood,mood_probability", "model": "gru",
        "model.width": 8, "model.vocabulary": 60, "epochs": 1, "threads": 1,
    }  # fmt: skip
    (answer,) = modrack.train(home=tmp_path / "home", **words).predict("a good film of 1")
    assert answer["mood_probability"] in "xyz"
    assert 0 < answer["mood_probability_"] < 1


def test_a_row_of_a_file_may_lack_all_targets_but_one(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    rows = [f"a film of {n % 3}," + (f"{'ab'[n // 2 % 2]}," if n % 2 else f",{'xyz'[n % 3]}") for n in range(60)]
    file.write_text("text,mood,year\n" + "\n".join(rows) + "\n")
    words: dict[str, Any] = {
        "dataset": "files", "dataset.path": str(file), "dataset.label": "mood,year", "model": "gru", "model.width": 8,
        "model.vocabulary": 60, "epochs": 1, "threads": 1, "home": tmp_path / "home",
    }  # fmt: skip
    run = modrack.train(**words)
    assert 0 <= run.metrics["test.accuracy"] <= 1
    other = tmp_path / "other.csv"
    other.write_text("text,mood,year\n" + "".join(f"film {n},{'ab'[n % 2]},\n" for n in range(40)))
    measured = remeasure(run, words=[f"dataset.path={other}"]).measured.values
    assert 0 <= measured["mood.accuracy"] <= 1
    assert measured["accuracy"] == measured["mood.accuracy"]
    # The rows of year alone, and the targets the other way round.
    other.write_text("text,mood,year\n" + "".join(f"film {n},,{'xyz'[n % 3]}\n" for n in range(40)))
    turned = remeasure(run, words=[f"dataset.path={other}", "dataset.label=year,mood"]).measured.values
    assert turned == remeasure(run, words=[f"dataset.path={other}"]).measured.values
    assert turned["accuracy"] == turned["year.accuracy"]
    assert "mood.accuracy" not in turned
    assert set(turned) >= {"loss", "year.loss"}
    assert "mood.loss" not in turned
    file.write_text(file.read_text() + "a film of none,,\n")
    with pytest.raises(modrack.UserError, match=r"row 61.*no label in mood or year"):
        modrack.train(**words)
    file.write_text("text,mood,year\n" + "".join(f"film {n},{'ab'[n % 2]},\n" for n in range(40)))
    with pytest.raises(modrack.UserError, match="no row of train has a label in 'year'"):
        modrack.train(**words)
    file.write_text("text,mood,year\n" + "".join(f"film {n},{'ab'[n % 2]},x\n" for n in range(40)))
    with pytest.raises(modrack.UserError, match=r"rows.csv, column 'year': there is one class only \(x\)"):
        modrack.train(**words)


def test_a_number_and_a_class_of_a_table(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    rows = [f"{n % 11},{'ab'[n % 2]},{n % 11 * 1.5 if n % 3 else ''}" for n in range(90)]
    file.write_text("size,kind,price\n" + "\n".join(rows) + "\n")
    words: dict[str, Any] = {
        "dataset": "files", "dataset.path": str(file), "dataset.label": "kind,price", "model": "mlp", "epochs": 1,
        "threads": 1, "home": tmp_path / "home",
    }  # fmt: skip
    run = modrack.train(**words)
    assert {"test.kind.accuracy", "test.price.rmse", "test.price.r2"} <= set(run.metrics)
    # No metric is of both, so that none speaks for all.
    assert not {"test.accuracy", "test.rmse", "test.price.accuracy"} & set(run.metrics)
    (answer,) = run.predict({"size": 3.0})
    assert set(answer) == {"kind", "kind_probability", "price"}
    assert 0 < answer["price"] < 16
    measured = remeasure(run, words=[f"dataset.path={file}"]).measured.values
    assert set(measured) >= {"kind.accuracy", "price.rmse"}
    file.write_text("size,kind,price\n" + "\n".join(f"{n},a,{'xyz'[n % 3]}" for n in range(30)) + "\n")
    with pytest.raises(modrack.UserError, match="is no number"):
        remeasure(run, words=[f"dataset.path={file}"])


def test_numbers_have_units_and_no_mean(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("size,price,weight\n" + "".join(f"{n % 11},{n * 1.5},{n / 900 + 0.0001}\n" for n in range(90)))
    run = modrack.train(
        dataset="files", model="mlp", epochs=1, threads=1, home=tmp_path / "home",
        **{"dataset.path": str(file), "dataset.label": "price,weight"},
    )  # fmt: skip
    assert {"test.price.rmse", "test.weight.rmse", "test.weight.r2"} <= set(run.metrics)
    assert not {"test.rmse", "test.r2", "validation.rmse"} & set(run.metrics)
    experiment = resolve(load_registry(), file=run.config, environment={})
    data = facts(*[{"colour": n % 2, "price": float(n)} for n in range(30)])
    made = MultiTask(data, None)
    measures = choose_measures(experiment, made, experiment.needed("task").component, data)
    assert monitored(measures, None) == ("validation.loss", "lower")


@pytest.mark.parametrize("model", ["lstm", "bert"])
def test_tags_of_words_beside_a_class_of_the_sentence(model: str, tmp_path: Path) -> None:
    small = {"model.width": 16, "model.vocabulary": 300}
    if model == "bert":
        small |= {"model.pretrained": False, "model.layers": 1, "model.heads": 2}
    words: dict[str, Any] = {
        "dataset": "cldr-entities", "dataset.about": True, "dataset.rows": 300, "model": model, "epochs": 1,
        "threads": 1,
    }  # fmt: skip
    run = modrack.train(home=tmp_path, **words | small)
    assert {"test.tags.span-f1", "test.tags.accuracy", "test.about.accuracy", "test.tags.loss"} <= set(run.metrics)
    # Both have an accuracy, whose mean says which checkpoint is best.
    both = run.metrics["test.tags.accuracy"], run.metrics["test.about.accuracy"]
    assert run.metrics["test.accuracy"] == pytest.approx(sum(both) / 2)
    (answer,) = run.predict("They speak Danish in Denmark.")
    assert set(answer) == {"tags", "about", "about_probability"}
    assert answer["about"] in ("CURRENCY", "LANGUAGE", "TERRITORY", "several", "none")


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
        ({"metric": ["rmse"]}, "fits no target; it asks for prediction, target"),
        ({"monitor": "accuracyy"}, "no evaluation gives that"),
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
