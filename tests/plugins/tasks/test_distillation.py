"""A past run's model as a teacher."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import modrack
from modrack.configure.resolve import resolve
from modrack.past import looking_in
from modrack.runner.build import build
from modrack_registry.errors import UserError
from modrack_registry.registry import load_registry

COMMON: dict[str, Any] = {"device": "cpu", "threads": 1, "precision": "fp32"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teachers")
    modrack.train(home=folder, epochs=3, **COMMON, **{"model.width": 8, "model.hidden": 32})
    modrack.train(home=folder, model="mlp", dataset="sklearn/wine", epochs=1, **COMMON)
    return folder


def rig(home: Path, **values: Any) -> Any:
    with looking_in(home):
        return build(resolve(load_registry(), values=values | COMMON, environment={}))


def student(home: Path, **options: Any) -> Any:
    more = {f"task.{name}": value for name, value in options.items()}
    return rig(home, task="distillation", model="mlp", **{"model.width": 8, "task.teacher": "run:1", **more})


@pytest.mark.parametrize(("temperature", "alpha"), [(1.0, 1.0), (3.0, 0.7), (2.0, 0.0)])
def test_the_loss_and_its_gradient_are_those_of_the_formula(home: Path, temperature: float, alpha: float) -> None:
    made = student(home, temperature=temperature, alpha=alpha)
    batch = next(made.feeders["train"].epoch(0))[0]
    raw = copy.copy(batch["image"])
    teacher = modrack.runs("id=1", home=home)[0].load_model()
    prepared = made.task.prepare(batch)
    step = made.task.step(made.parts, prepared, "train")
    step.loss.sum().backward()
    found = [each.grad.clone() for each in made.parts.parameters()]

    made.parts.model.zero_grad()
    mean, std = made.data.mean[0], made.data.std[0]
    shown = (raw.float() / 255 - mean) / std
    logits = made.parts.model(shown)
    soft = (teacher(shown) / temperature).softmax(1).detach()
    doubts = (soft * (soft.log() - (logits / temperature).log_softmax(1))).sum()
    hard = torch.nn.functional.cross_entropy(logits, batch["target"], reduction="sum")
    wanted = (1 - alpha) * hard + alpha * temperature**2 * doubts
    wanted.backward()
    assert float(step.loss.detach().sum()) == pytest.approx(float(wanted.detach()), rel=1e-4)
    for one, parameter in zip(found, made.parts.parameters(), strict=True):
        assert torch.allclose(one, parameter.grad, rtol=1e-3, atol=1e-4)
    assert all(each.grad is None and not each.requires_grad for each in made.task.teacher.model.parameters())
    assert not any(module.training for module in made.task.teacher.model.modules())


def test_evaluation_is_classifications(home: Path) -> None:
    made = student(home)
    plain = load_registry().find("task", "classification").make(
        {"data": made.data, "processor": None}, {"label_smoothing": 0.0}
    )  # fmt: skip
    batch = next(made.feeders["validation"].once())
    prepared = made.task.prepare(batch)
    ours, theirs = (task.evaluate(made.parts, prepared) for task in (made.task, plain))
    assert torch.equal(ours.loss, theirs.loss)
    assert "teacher.image" not in prepared


def test_a_distilled_run_learns_and_needs_its_teacher_no_more(home: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(home, tmp_path / "runs")
    options = {"model.width": 16, "task.teacher": "run:1"}
    run = modrack.train(home=tmp_path / "runs", task="distillation", model="mlp", epochs=3, **COMMON, **options)
    assert run.metrics["test.accuracy"] > 0.5
    assert run.metrics["train.teacher_loss"] >= 0
    shutil.rmtree(tmp_path / "runs" / "1")
    from modrack.runner.remeasure import remeasure

    again = remeasure(run, words=["device=cpu"])
    assert again.measured.values["accuracy"] == run.metrics["test.accuracy"]
    assert set(run.predict(torch.zeros(8, 8).numpy())[0]) == {"label", "probability"}


@pytest.mark.parametrize(
    ("teacher", "said"),
    [
        ("run:9", "there is no run 9"),
        ("twelve", "names no run"),
        ("run:2", "was trained on tabular; the data give image"),
    ],
)
def test_wrong_teachers(home: Path, teacher: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        student(home, teacher=teacher)


def test_it_is_not_picked_by_itself(home: Path) -> None:
    assert rig(home, model="mlp").experiment.one("task").component.name == "classification"


def test_a_teacher_of_texts_reads_its_own_tokens(tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    table.write_text("text,label\n" + "".join(f"a {'joy' if n % 2 else 'bore'} {n},{n % 2}\n" for n in range(48)))
    small = {"pretrained": False, "layers": 1, "width": 16, "heads": 2, "max_length": 16, "vocabulary": 60}
    options = {"dataset.path": str(table), **{f"model.{name}": value for name, value in small.items()}}
    common: dict[str, Any] = {"model": "bert", "dataset": "files", "epochs": 1, "batch_size": 8, **COMMON, **options}
    modrack.train(home=tmp_path / "runs", **common)
    common["model.vocabulary"] = 90
    made = rig(tmp_path / "runs", task="distillation", **{"task.teacher": "run:1"}, **common)
    assert made.task.teacher.own
    batch = made.task.prepare(next(made.feeders["train"].epoch(0))[0])
    teacher = modrack.runs("id=1", home=tmp_path / "runs")[0].load_model()
    rows = [made.feeders["train"]._ragged["teacher.input_ids"].pick(row[None], row[None])[0] for row in batch.rows]
    with torch.no_grad():
        wanted = torch.cat([teacher(input_ids=row.long(), attention_mask=(row != 0).long()).logits for row in rows])
    assert torch.allclose(made.task.teacher.logits(batch), wanted, atol=1e-4)
    assert made.task.step(SimpleNamespace(model=made.parts.model), batch, "train").loss.isfinite()
