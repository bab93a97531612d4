"""Whether the chosen parts fit each other, and which task the data asks for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from modrack.configure.experiment import Choice, Experiment
from modrack.data.facts import Data
from modrack.seam import Task
from modrack_registry.component import Component
from modrack_registry.errors import UserError
from modrack_registry.registry import Registry
from modrack_registry.suggest import did_you_mean


def check_model(registry: Registry, model: Component, dataset: Component, data: Data) -> None:
    """Raise UserError where the model does not take what the dataset gives; say what does."""
    takes = sorts(model, "takes")
    if not takes or data.gives in takes:
        return
    models = [each.name for each in registry.components("model") if data.gives in sorts(each, "takes")]
    datasets = [each.name for each in registry.components("dataset") if set(takes) & set(sorts(each, "gives"))]
    if not datasets:
        known = {sort for each in registry.components("dataset") for sort in sorts(each, "gives")}
        raise UserError(
            f"{model.where} takes {' or '.join(takes)}, which no dataset gives.", did_you_mean(takes[0], known)
        )
    raise UserError(
        f"model {model.name} takes {' or '.join(takes)}, but dataset {dataset.name} gives {data.gives}.",
        f"For {data.gives}: --model {_listed(models)}.\nFor {model.name}: --dataset {_listed(datasets)}.",
    )


def pick_task(experiment: Experiment, data: Data, model: Component) -> Choice:
    """The chosen task, or the one that fits data and model. Raises UserError where none, or several, do.

    One that learns from the input alone may be chosen for data with a target, which is then as if not there.
    """
    chosen = experiment.one("task")
    if chosen is not None:
        if sorts(chosen.component, "target") == ("none",):
            data.forget_target()
        misfit = _misfit(chosen.component, data, model)
        if misfit:
            raise UserError(f"task {chosen.component.name} {misfit}.", _what_fits(experiment.registry, data, model))
        return chosen
    fitting = [
        task
        for task in experiment.registry.components("task")
        # One that cannot be without a word of the user is not meant where the user says nothing.
        if not _misfit(task, data, model) and not any(option.required for option in task.options.values())
    ]
    if len(fitting) > 1:
        # A task that learns from the target goes before one that leaves it aside.
        fitting = [task for task in fitting if data.target in sorts(task, "target")] or fitting
    if len(fitting) == 1:
        return experiment.choose("task", fitting[0].full)
    if fitting:
        names = " or ".join(f"--task {task.name}" for task in fitting)
        raise UserError(f"Several tasks fit dataset and model {model.name}.", f"Choose one: {names}.")
    raise UserError(
        f"No task fits model {model.name} (gives {_listed(sorts(model, 'gives'))}) and data that give "
        f"{data.gives} with the target {data.target}.",
        _what_fits(experiment.registry, data, model),
    )


def check_classes(model: Component, data: Data, logits: Any) -> None:
    """Raise UserError where the model's logits are for another number of classes than the dataset has."""
    # A single logit may mean two classes; what a model gives that promises no logits is its task's affair.
    if data.classes is None or "logits" not in sorts(model, "gives") or getattr(logits, "ndim", 0) < 2:
        return
    size, wanted = int(logits.shape[-1]), len(data.classes)
    if size not in (1, wanted):
        raise UserError(
            f"{model.where} gives {size} logits a row, and the dataset has {wanted} classes.",
            "Write len(data.classes) as the size of its last layer.",
        )


@contextlib.contextmanager
def classes_checked(model: Component, data: Data, task: Task, parts: Any, batch: Any) -> Iterator[None]:
    """A loss that fails seldom says why: ask the model first whether it was made for another number of classes."""
    try:
        yield
    except UserError:
        raise
    except Exception:
        logits = None
        with contextlib.suppress(Exception):
            logits = task.forward(parts.model, batch)
        check_classes(model, data, logits)
        raise


def _misfit(task: Component, data: Data, model: Component) -> str | None:
    takes, targets, needs = sorts(task, "takes"), sorts(task, "target"), sorts(task, "needs")
    gives = sorts(model, "gives")
    if takes and data.gives not in takes:
        return f"takes {' or '.join(takes)}, and the data give {data.gives}"
    if targets and data.target not in targets:
        return f"learns from {' or '.join(targets)}, and the data's target is {data.target}"
    if needs and gives and not set(needs) & set(gives):
        return f"needs a model that gives {' or '.join(needs)}; {model.name} gives {' or '.join(gives)}"
    return None


def _what_fits(registry: Registry, data: Data, model: Component) -> str:
    fitting = [task.name for task in registry.components("task") if not _misfit(task, data, model)]
    return f"What fits: {_listed(fitting)}." if fitting else "See `modrack list task` for what each needs."


def sorts(component: Component, fact: str) -> tuple[str, ...]:
    """What a component declares under `fact` (takes, gives, target, needs), as a tuple."""
    value = component.facts.get(fact) or ()
    return (value,) if isinstance(value, str) else tuple(value)


def _listed(names: Any) -> str:
    return ", ".join(names) if names else "nothing"
