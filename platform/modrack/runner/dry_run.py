"""`modrack train --dry-run`: all is built, a step of each kind taken, and nothing kept."""

from __future__ import annotations

from typing import Any

import torch

from modrack.configure.experiment import Experiment
from modrack.runner.build import build
from modrack.runner.engine import joined
from modrack.runner.evaluate import evaluating, forked_rng
from modrack.runner.kernels import kernels_kept
from modrack.runner.outset import started_facts
from modrack.runner.rig import Rig
from modrack_registry.errors import RunFailed


def dry_run(experiment: Experiment) -> dict[str, Any] | None:
    """Build, take one training step and one evaluation step, write nothing. Gives the plan and the facts.

    Of several processes the main one does; the others give None.
    """
    with kernels_kept(), joined(experiment.settings.device) as engine:
        tried = _tried(build(experiment, engine))
        return tried if engine.main else None


def _tried(rig: Rig) -> dict[str, Any]:
    feeder, share = rig.feeders["train"], (rig.engine.rank, rig.engine.world)
    rig.update(0, next(feeder.epoch(0, accumulate=rig.accumulate, share=share)))
    values, bad = rig.update.take()
    with torch.no_grad(), evaluating(rig.parts), forked_rng(rig.device), rig.autocast:
        batch = rig.task.prepare(next(rig.feeders["validation"].once()))
        rig.task.evaluate(rig.parts, batch)
    if bad is not None:
        raise RunFailed(f"The loss of the first step is {bad[1]}.")
    plan = [{"decision": each.name, "value": each.value, "reason": each.reason} for each in rig.plan.decisions]
    return {"plan": plan, "facts": started_facts(rig) | {"first_loss": next(iter(values.values()), None)}}
