"""Which parts learn, and the optimizer and scheduler of each."""

from __future__ import annotations

from typing import Any

import torch

from modrack.configure.experiment import Choice, Experiment
from modrack.configure.settings import Settings
from modrack.runner.engine import Engine
from modrack.runner.groups import freeze, parameter_groups
from modrack.runner.memory_plan import is_fsdp
from modrack.runner.parts import Parts
from modrack.runner.plan import Plan
from modrack.runner.sharding import check_optimizer
from modrack.seam import Task
from modrack_registry.errors import UserError


def choose_learners(parts: Parts, task: Task, settings: Settings) -> list[str]:
    """The names of the parts that learn in some phase, in the order of `parts`; all others are frozen."""
    learners = sorted(
        {name for names in task.phases.values() for name in (names or tuple(parts))}, key=list(parts).index
    )
    for name, part in parts.items():
        if name not in learners:
            part.requires_grad_(False)
            part.eval()
        else:
            part.train()
    freeze(parts, settings.freeze)
    return learners


def make_optimizers(
    experiment: Experiment,
    parts: Parts,
    learners: list[str],
    steps: int,
    plan: Plan,
    engine: Engine,
    device: torch.device,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The optimizer and, where one is chosen, the scheduler of each learning part, by its name. Raises UserError."""
    optimizers: dict[str, Any] = {}
    schedulers: dict[str, Any] = {}
    for kind in ("optimizer", "scheduler"):
        for choice in experiment.many(kind):
            if choice.part is not None and choice.part not in learners:
                raise UserError(
                    f"{kind}.{choice.part}: the model has no learning part {choice.part!r}.",
                    f"Its parts: {', '.join(learners)}.",
                )
    for name in learners:
        chosen = chosen_for(experiment, "optimizer", name)
        if chosen is None:
            raise UserError(f"Part {name!r} has no optimizer.", "Say --optimizer NAME.")
        options = dict(chosen.options)
        if "fused" in options and options["fused"] is None:
            options["fused"] = plan["fused"]
        decay, rate, falling = (
            float(options.get("weight_decay") or 0),
            options.get("lr"),
            experiment.settings.layer_decay,
        )
        groups = parameter_groups(getattr(parts, name), decay, rate, falling)
        if not groups or not groups[0]["params"]:
            raise UserError(f"Part {name!r} has no weights that could learn.")
        make = chosen.component.make
        if is_fsdp(plan, name):
            check_optimizer(
                lambda trial, make=make, options=options, decay=decay: make(  # type: ignore[misc]
                    {"params": parameter_groups(trial, decay)}, options
                ),
                chosen.component.name,
                getattr(parts, name),
                device,
                engine,
            )
        optimizers[name] = make({"params": groups}, options)
        schedule = chosen_for(experiment, "scheduler", name)
        if schedule is not None:
            given = {"optimizer": optimizers[name], "steps": steps}
            schedulers[name] = schedule.component.make(given, schedule.options)
    return optimizers, schedulers


def chosen_for(experiment: Experiment, kind: str, part: str) -> Choice | None:
    """The choice made for this part alone, or the general one."""
    choices = experiment.many(kind)
    return next((each for each in choices if each.part == part), next((e for e in choices if e.part is None), None))
