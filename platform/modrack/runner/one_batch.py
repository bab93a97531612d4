"""Two rows through all that a run does, before it is recorded: what a part promised and does not keep shows here."""

from __future__ import annotations

import copy
from typing import Any

import torch

from modrack.runner.evaluate import buffers_kept, evaluating, forked_rng
from modrack.runner.fit import check_classes, classes_checked
from modrack.runner.measures import by_target, monitored, of_target
from modrack.runner.rehearsal import refused_where_sharded, rehearse
from modrack.runner.rig import Rig
from modrack.seam import Batch, Task
from modrack_registry.errors import UserError


def try_one_batch(rig: Rig) -> None:
    """Train and evaluate on two rows, leaving no trace. Raises UserError for what does not fit."""
    task, parts = rig.task, rig.parts
    batch = next(rig.feeders["train"].epoch(0))[0]
    few = Batch(
        {name: value[:2] for name, value in batch.items()},
        size=min(2, batch.size),
        rows=batch.rows[:2],
        lengths={name: lengths[:2] for name, lengths in batch.lengths.items()},
        training=True,
        key=batch.key,
    )
    plain = copy.copy(few)
    model = rig.experiment.needed("model").component
    with forked_rng(rig.device), buffers_kept(parts):
        prepared = task.prepare(rig.update.changed(few))
        for phase in task.phases:
            # All may learn here: FSDP decides at a part's first forward in what type its gradients are added up.
            checked = classes_checked(model, rig.data, task, parts, prepared)
            with rig.autocast, refused_where_sharded(rig), checked:
                step = task.step(parts, prepared, phase)
            _check_step(task, step, phase)
        rehearse(rig, prepared)
        plain.training = False
        with torch.inference_mode(), evaluating(parts), rig.autocast:
            step = task.evaluate(parts, task.prepare(plain))
        _check_step(task, step, "evaluation", needs=task.emits)
        _check_monitor(rig, step)
        check_classes(model, rig.data, step.outputs.get("logits"))


def _check_monitor(rig: Rig, step: Any) -> None:
    """Raise UserError where the loss is to say what is best, and the task has none to measure."""
    settings = rig.experiment.settings
    if step.loss is not None or monitored(rig.measures, settings.monitor)[0] != "validation.loss":
        return
    asked = "monitor=loss" if settings.monitor else f"patience={settings.patience}" if settings.patience else None
    if asked is not None:
        raise UserError(
            f"{asked}: task {type(rig.task).__name__} measures no loss on validation.",
            f"Monitor a metric of {', '.join(rig.task.emits) or 'its outputs'}: `modrack list metric` shows them.",
        )


def _check_step(task: Task, step: Any, phase: str, needs: Any = ()) -> None:
    for target, names in by_target(needs).items():
        outputs = of_target(step.outputs, target)
        missing = [name for name in names if name not in outputs]
        if missing:
            raise UserError(
                f"task {type(task).__name__} emits {', '.join(names)}{f' of {target}' if target else ''}, but its "
                f"{phase} step gave no {missing[0]!r}.",
                f"Add it to the outputs of Step; there is: {', '.join(outputs) or 'nothing'}.",
            )
