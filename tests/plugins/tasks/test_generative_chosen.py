"""Which task is chosen for a model that generates, and what a task without a loss may be asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modrack.configure.resolve import resolve
from modrack.runner.build import build
from modrack.runner.fit import pick_task
from modrack.testing.sample import sample
from modrack_registry.errors import UserError
from modrack_registry.registry import load_registry

UNSAID = """
import modrack

@modrack.model(takes="image")
def unsaid(data):
    "It does not say what it gives."
    from torch import nn
    return nn.Sequential(nn.Flatten(), nn.Linear(144, 3))
"""
SMALL = {"limit": 64, "steps": 1, "device": "cpu", "threads": 1, "model.width": 4}


def chosen(target: str = "class", plugins: tuple[Path, ...] = (), **values: Any) -> Any:
    """The experiment, with the task that the data ask for."""
    experiment = resolve(load_registry(list(plugins)), values={"dataset": "digits", **values}, environment={})
    model = experiment.one("model")
    assert model is not None
    pick_task(experiment, sample("image", target)[0], model.component)
    return experiment


@pytest.mark.parametrize("target", ["class", "none", "number"])
@pytest.mark.parametrize(("model", "task"), [("vae", "vae"), ("dcgan", "gan")])
def test_the_model_says_which_task_whatever_the_labels(model: str, task: str, target: str) -> None:
    assert chosen(target, model=model).one("task").component.name == task


def test_the_defaults_of_the_task_are_in_force() -> None:
    experiment = chosen(model="vae")
    assert [each.component.name for each in experiment.many("metric")] == ["elbo"]
    assert [each.component.name for each in experiment.many("callback")] == ["samples"]
    experiment = chosen(model="dcgan", **{"optimizer.generator.lr": 0.5})
    assert experiment.one("scheduler").component.name == "constant"
    rates = {each.part: each.options["lr"] for each in experiment.many("optimizer")}
    assert rates == {None: 1e-3, "generator": 0.5}
    assert {each.options["beta1"] for each in experiment.many("optimizer")} == {0.5}
    experiment = chosen(model="dcgan", task="wgan-gp")
    assert experiment.one("optimizer").options["beta1"] == 0.0


def test_a_model_that_does_not_say_what_it_gives_still_classifies(tmp_path: Path) -> None:
    file = tmp_path / "unsaid.py"
    file.write_text(UNSAID)
    assert chosen(plugins=(file,), model="unsaid").one("task").component.name == "classification"


def test_the_pages_own_model_trains(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs/tasks/vae.md").read_text("utf-8")
    file = tmp_path / "own.py"
    file.write_text("import modrack\n\n" + page.partition("```python\n")[2].partition("```")[0])
    values = {"model": "flat", "dataset": "digits", "limit": 64, "steps": 1, "device": "cpu", "threads": 1}
    rig = build(resolve(load_registry([file]), values=values, environment={}))
    assert (list(rig.parts), type(rig.task).__name__) == (["encoder", "decoder"], "Vae")


def test_a_task_that_does_not_fit_says_what_does() -> None:
    with pytest.raises(UserError, match="task vae needs a model that gives reconstruction; cnn gives logits"):
        chosen(model="cnn", task="vae")


@pytest.mark.parametrize("asked", [{"monitor": "loss"}, {"patience": 2}])
def test_there_is_no_loss_to_monitor(asked: dict[str, Any]) -> None:
    values = {"model": "dcgan", "dataset": "digits", "metric": [], **asked, **SMALL}
    with pytest.raises(UserError, match="task Gan measures no loss on validation"):
        build(resolve(load_registry(), values=values, environment={}))


def test_without_metric_and_loss_it_trains_and_the_last_weights_count(tmp_path: Path) -> None:
    import modrack

    run = modrack.train(model="dcgan", dataset="digits", metric=[], home=tmp_path, **SMALL)
    assert run.status == "finished"
    assert {"train.generator.loss", "train.discriminator.loss"} <= set(run.metrics)
    assert not any(name.startswith(("validation.", "test.")) for name in run.metrics)
    assert not (run.folder / "checkpoints/best").exists()
    assert set(run.load_model()) == {"generator", "discriminator"}
