"""The trained model of a past run, built anew from what is kept of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modrack.configure.experiment import Experiment
from modrack.configure.resolve import resolve
from modrack.data.facts import Data
from modrack.runner.checkpoint import damage, load_parts
from modrack.runner.lora import add_adapters
from modrack.runner.parts import Parts
from modrack_registry.errors import UserError
from modrack_registry.registry import load_registry
from modrack_registry.store import Run


def load_stored(
    run: Run, checkpoint: str = "best", values: Mapping[str, Any] | None = None
) -> tuple[Experiment, Data, Parts]:
    """The experiment, data facts and parts of `run`, with the weights of `checkpoints/<checkpoint>`.

    `values` are options by path that hold instead of the run's. The dataset is not needed, nor the network.
    Raises UserError where no whole checkpoint of that name is there.
    """
    place = stored_checkpoint(run, checkpoint)
    experiment = resolve(
        load_registry(sorted((run.folder / "plugins").rglob("*.py"))),
        file=run.config,
        words=[f"{path}={value}" for path, value in (values or {}).items()],
        environment={},
    )
    data = Data.from_dict(run.data)
    data.restore = place
    choice = experiment.one("model")
    if choice is None:
        raise UserError(f"Run {run.id} has no model.")
    parts = Parts.of(choice.component.make({"data": data}, choice.options), choice.component.where)
    add_adapters(parts, experiment.settings)
    load_parts(place, parts)
    for part in parts.modules():
        part.eval()
    return experiment, data, parts


def stored_checkpoint(run: Run, checkpoint: str) -> Path:
    """The folder of a checkpoint of `run`: best (or last, where no best one was kept), last, or one by its name."""
    root = run.folder / "checkpoints"
    place = root / checkpoint
    if checkpoint == "best" and not place.exists():
        place = root / "last"
    if not place.is_dir():
        there = ", ".join(sorted(each.name for each in root.glob("*") if not each.name.startswith("."))) or "none"
        raise UserError(f"Run {run.id} has no checkpoint {checkpoint!r}.", f"There is: {there}.")
    wrong = damage(place)
    if wrong:
        raise UserError(f"{place}: {wrong}.", "Take another checkpoint.")
    return place.resolve()


def load_model(run: Run, checkpoint: str = "best") -> Any:
    """The model of `run` in evaluation mode: a module, or a dict of parts by name."""
    parts = load_stored(run, checkpoint)[2]
    modules = dict(parts.items())
    return modules["model"] if list(modules) == ["model"] else modules
