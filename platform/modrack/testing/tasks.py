"""What a task must keep: the promises that exact accumulation rests on."""

from __future__ import annotations

from typing import Any

import torch

from modrack.runner.encode import encode_split
from modrack.runner.evaluate import evaluating, seed_all
from modrack.runner.feeder import Feeder
from modrack.runner.fit import sorts
from modrack.runner.measures import by_target, of_target
from modrack.runner.parts import Parts
from modrack.seam import Batch, Task
from modrack.testing.kit import CheckFailed, NotApplicable
from modrack.testing.sample import sample
from modrack.testing.subject import Subject
from modrack_registry.component import Component

CPU = torch.device("cpu")
ROWS = 16


def check_accumulation_equals_the_big_batch(subject: Subject) -> None:
    """Loss sum and count of sixteen rows are those of their two halves together."""
    parts, task, feeder = _build(subject)
    if not task.additive:
        raise NotApplicable("it says that its losses do not add up over rows (`additive`)")
    whole = _sums(parts, task, feeder, 1)
    halves = _sums(parts, task, feeder, 2)
    for name, (loss, count) in whole.items():
        other_loss, other_count = halves[name]
        if abs(count - other_count) > 1e-6 * max(1.0, abs(count)):
            raise CheckFailed(
                f"{subject.component.file}: `count` gives {count} for {ROWS} rows, {other_count} for their halves"
            )
        if abs(loss - other_loss) > 1e-4 * max(1.0, abs(loss)):
            raise CheckFailed(
                f"{subject.component.file}: the loss of {ROWS} rows adds up to {loss:.6g}, of their halves to "
                f"{other_loss:.6g}; return one loss a row, or their sum, and never a mean"
            )


def check_emits_what_it_promises(subject: Subject) -> None:
    """Evaluation gives every output named in `emits`, one entry a row."""
    parts, task, feeder = _build(subject)
    batch = task.prepare(next(iter(feeder.epoch(0)))[0])
    with torch.no_grad(), evaluating(parts):
        step = task.evaluate(parts, batch)
    for target, names in by_target(task.emits).items():
        outputs = of_target(step.outputs, target)
        for name in names:
            if name not in outputs:
                raise CheckFailed(
                    f"{subject.component.file}: it emits {name!r} and gave {', '.join(outputs) or 'nothing'}"
                )
            if len(outputs[name]) != batch.size:
                raise CheckFailed(
                    f"{subject.component.file}: output {name!r} has {len(outputs[name])} entries for {batch.size} rows"
                )


def check_phases_name_parts(subject: Subject) -> None:
    """Every part named in `phases` is there."""
    parts, task, _ = _build(subject)
    for phase, names in task.phases.items():
        for name in names or ():
            if name not in list(parts):
                raise CheckFailed(
                    f"{subject.component.file}: phase {phase!r} names {name!r}; parts: {', '.join(parts)}"
                )


def check_predicts_a_row_each(subject: Subject) -> None:
    """`predict` gives one entry a row."""
    parts, task, feeder = _build(subject)
    if type(task).predict is Task.predict:
        raise NotApplicable("it does not predict")
    batch = task.prepare(next(iter(feeder.epoch(0)))[0])
    with torch.no_grad(), evaluating(parts):
        made = task.predict(parts, batch)
    for name, values in made.items():
        if len(values) != batch.size:
            raise CheckFailed(f"{subject.component.file}: {name!r} has {len(values)} entries for {batch.size} rows")


def _build(subject: Subject) -> tuple[Parts, Task, Feeder]:
    for gives in sorts(subject.component, "takes"):
        for target in sorts(subject.component, "target") or ("none",):
            try:
                data, splits = sample(gives, target)
            except NotApplicable:
                continue
            model = _a_model(subject, gives)
            if model is None:
                continue
            seed_all(0, CPU)
            parts = Parts.of(model.make({"data": data}, _options(model)), model.full)
            task: Task = subject.make(data=data, processor=parts.processor)
            encoded = encode_split(splits["train"].select(range(ROWS)), task)
            return parts, task, Feeder(encoded, batch_size=ROWS, device=CPU, resident=False)
    raise NotApplicable("there are no sample data or no model for what it takes and needs")


def _a_model(subject: Subject, gives: str) -> Component | None:
    """A model that the task can be tried with; one of its own plugin first."""
    needs = set(sorts(subject.component, "needs"))
    found = [
        model
        for model in subject.registry.components("model")
        if gives in sorts(model, "takes")
        and (not needs or needs & set(sorts(model, "gives")))
        and not any(option.required and option.name not in model.example for option in model.options.values())
    ]
    found.sort(key=lambda model: (model.plugin != subject.component.plugin, len(model.options)))
    return found[0] if found else None


def _options(model: Component) -> dict[str, Any]:
    return {name: model.example.get(name, option.default) for name, option in model.options.items()}


def _sums(parts: Parts, task: Task, feeder: Feeder, accumulate: int) -> dict[str, tuple[float, float]]:
    """{phase and term: (loss, count)} summed over one step in `accumulate` pieces, without chance."""
    totals: dict[str, tuple[float, float]] = {}
    for piece in next(iter(feeder.epoch(0, accumulate=accumulate))):
        piece.training = False
        batch: Batch = task.prepare(piece)
        for phase in task.phases:
            with torch.no_grad(), evaluating(parts):
                seed_all(0, CPU)
                step, count = task.step(parts, batch, phase), task.count(batch, phase)
            terms = step.loss if isinstance(step.loss, dict) else {"": step.loss}
            for term, loss in terms.items():
                if loss is None:
                    continue
                key = f"{phase} {term}".strip()
                over = float(count[term] if isinstance(count, dict) else count)
                before = totals.get(key, (0.0, 0.0))
                totals[key] = (before[0] + float(loss.float().sum()), before[1] + over)
    return totals
