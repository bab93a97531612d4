"""What the plan goes by, found out about the data and about a model that is built and lies on the host."""

from __future__ import annotations

import torch
from torch import nn

from modrack.configure.experiment import Experiment
from modrack.data.facts import Data
from modrack.runner.encode import Encoded
from modrack.runner.evaluate import evaluating, forked_rng
from modrack.runner.fit import classes_checked
from modrack.runner.flops import counting_flops
from modrack.runner.largest import few_rows
from modrack.runner.optimizers import chosen_for
from modrack.runner.parts import Parts
from modrack.runner.plan import Facts
from modrack.runner.recompute import count_layers
from modrack.runner.sizes import part_facts
from modrack.seam import Ragged, Task
from modrack_registry.component import Component


def gather_facts(
    experiment: Experiment,
    data: Data,
    parts: Parts,
    task: Task,
    train: Encoded,
    learners: list[str],
    *,
    steps: int,
    activations: float,
    several: bool,
    twice: bool,
) -> Facts:
    """The facts of a run of `steps`; `activations` as measured, `several` where more than one process trains, and
    `twice` where a gradient is differentiated.
    """
    modules = [module for part in parts.modules() for module in part.modules()]
    return Facts(
        rows=None if data.sizes["train"] is None else train.size,
        bytes=train.bytes,
        ragged=bool(train.ragged),
        parameters=sum(parameter.numel() for parameter in parts.parameters()),
        flops=_forward_flops(parts, task, train, experiment.needed("model").component, data),
        convolutional=data.gives == "image" and any(isinstance(module, nn.Conv2d) for module in modules),
        steps=steps,
        parts=part_facts(
            parts,
            learners,
            {name: chosen_for(experiment, "optimizer", name) for name in learners},
            several,
            type(task).after is not Task.after,
        ),
        activations=activations,
        layers=count_layers(parts),
        additive=task.additive,
        twice=twice,
        batch_norm=any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in modules),
    )


def _forward_flops(parts: Parts, task: Task, train: Encoded, model: Component, data: Data) -> float:
    """Floating-point operations of one row's forward, counted on two rows of middling length."""
    batch = few_rows(train, 2, torch.device("cpu"))
    stretch = 1.0
    for name in train.ragged:
        column = train.columns[name]
        if isinstance(column, Ragged):
            mean = float(column.offsets[-1]) / max(1, train.size)
            stretch = mean / max(1.0, batch.lengths[name].float().mean().item())
    cpu = torch.device("cpu")
    with torch.no_grad(), evaluating(parts), forked_rng(cpu), counting_flops(parts.modules()) as counted:
        prepared = task.prepare(batch)
        with classes_checked(model, data, task, parts, prepared):
            task.evaluate(parts, prepared)
    return sum(counted) / batch.size * stretch
