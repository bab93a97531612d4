"""modrack: a rack for machine-learning parts.

    @modrack.model(takes="image", gives="logits")     declare a part
    run = modrack.train(model="cnn", dataset="digits")    compose and train
    modrack.runs()                                    ask what was run

Importing this package loads neither torch nor a database: each name below is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from modrack_registry.component import Component
from modrack_registry.decorators import (
    callback,
    component,
    dataset,
    exporter,
    metric,
    model,
    optimizer,
    scheduler,
    task,
)
from modrack_registry.errors import ModrackError, RunFailed, UserError
from modrack_registry.family import Family
from modrack_registry.kinds import Kind

if TYPE_CHECKING:
    from modrack.api import runs, train
    from modrack.data.facts import Data
    from modrack.data.rows import Rows
    from modrack.past import past_run, run_checkpoint
    from modrack.seam import Batch, Ragged, Step, Task
    from modrack_registry.hookspecs import hook
    from modrack_registry.store import Run, RunQuery

__version__ = "0.1.0"

_LAZY = {
    "hook": "modrack_registry.hookspecs",
    "Run": "modrack_registry.store",
    "RunQuery": "modrack_registry.store",
    "train": "modrack.api",
    "runs": "modrack.api",
    "past_run": "modrack.past",
    "run_checkpoint": "modrack.past",
    "Data": "modrack.data.facts",
    "Rows": "modrack.data.rows",
    "Batch": "modrack.seam",
    "Ragged": "modrack.seam",
    "Step": "modrack.seam",
    "Task": "modrack.seam",
}

__all__ = [
    "Batch",
    "Component",
    "Data",
    "Family",
    "Kind",
    "ModrackError",
    "Ragged",
    "Rows",
    "Run",
    "RunFailed",
    "RunQuery",
    "Step",
    "Task",
    "UserError",
    "callback",
    "component",
    "dataset",
    "exporter",
    "hook",
    "metric",
    "model",
    "optimizer",
    "past_run",
    "run_checkpoint",
    "runs",
    "scheduler",
    "task",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'modrack' has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
