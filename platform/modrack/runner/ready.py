"""The model of a past run with its task, where it can be used again: measured, or asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from modrack.configure.experiment import Experiment
from modrack.data.facts import Data
from modrack.runner.allocator import keep_memory
from modrack.runner.hardware import probe
from modrack.runner.parts import Parts
from modrack.runner.plan import choose_device
from modrack.runner.precision import autocast
from modrack.runner.stored import load_stored
from modrack.seam import Task
from modrack_registry.errors import UserError
from modrack_registry.store import Run


@dataclass
class Ready:
    """A trained model on a device. `data` are the facts of what it was trained on."""

    run: Run
    experiment: Experiment
    data: Data
    parts: Parts
    task: Task
    device: torch.device
    autocast: Any


def make_ready(
    run: Run, *, checkpoint: str = "best", device: str = "auto", values: Mapping[str, Any] | None = None
) -> Ready:
    """Build the model and the task of `run` anew, with the weights of a checkpoint, on `device`.

    `values` are options of the task, and the seed, that hold instead of the run's.

    On a device of the kind it was trained on it computes as it did then; elsewhere in fp32. Raises UserError.
    """
    experiment, data, parts = load_stored(run, checkpoint, values)
    choice = experiment.one("task")
    if choice is None:
        raise UserError(f"Run {run.id} has no task.")
    task: Task = choice.component.make({"data": data, "processor": parts.processor}, choice.options)
    place = torch.device(choose_device(probe(), device).value)
    plan = {name: each["value"] for name, each in (run.plan or {}).items()}
    same = str(plan.get("device", "")).partition(":")[0] == place.type
    if place.type == "cpu":
        keep_memory()
    for part in parts.modules():
        part.to(place)
        if same and plan.get("channels_last"):
            part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        part.requires_grad_(False)
    return Ready(run, experiment, data, parts, task, place, autocast(place, plan.get("precision") if same else None))
