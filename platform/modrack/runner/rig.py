"""What a run is made of, when all of it is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from modrack.configure.experiment import Experiment
from modrack.data.facts import Data
from modrack.runner.engine import Engine
from modrack.runner.measures import Measure
from modrack.runner.parts import Parts
from modrack.runner.plan import Facts, Plan
from modrack.runner.sharding import is_sharded
from modrack.runner.update import Update
from modrack.seam import Batch, Task


@dataclass
class Rig:
    """Everything a run is made of."""

    experiment: Experiment
    data: Data
    parts: Parts
    task: Task
    plan: Plan
    device: torch.device
    feeders: dict[str, Any]
    update: Update
    measures: list[Measure]
    total_steps: int
    model_name: str
    parameters: int
    digests: dict[str, str]
    facts: Facts
    # Micro-batches of a step.
    accumulate: int

    @property
    def engine(self) -> Engine:
        return self.update.engine

    @property
    def autocast(self) -> Any:
        return self.update.autocast

    @property
    def sharded(self) -> bool:
        """Whether some weights are held whole by no process."""
        return any(is_sharded(part) for part in self.parts.modules())

    def change(self, change: Callable[[Batch], Batch]) -> None:
        """Let `change` vary each training batch before the task prepares it, after those that were there before."""
        self.update.changes.append(change)
