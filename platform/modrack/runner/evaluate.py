"""Measures the parts on a split, without leaving a trace in the training."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from modrack.runner.engine import Engine
from modrack.runner.feeder import Feeder
from modrack.runner.measures import Measure
from modrack.runner.noise import mix
from modrack.runner.parts import Parts
from modrack.runner.sharding import let_go
from modrack.seam import Batch, Step, Task
from modrack_registry.errors import RunFailed


@dataclass
class Measured:
    """`values` are numbers by metric name, `loss` first; `tables` are those metrics that are more than a number.

    `pictures` draw those metrics that can be drawn, when called.
    """

    values: dict[str, float] = field(default_factory=dict)
    tables: dict[str, Any] = field(default_factory=dict)
    pictures: dict[str, Callable[[], Any]] = field(default_factory=dict)


def evaluate(
    parts: Parts,
    task: Task,
    feeder: Feeder,
    measures: list[Measure],
    *,
    autocast: Any,
    seed: int,
    engine: Engine | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Measured | None:
    """Every row of `feeder` once, whatever the number of processes. None where `stopped` said so in the middle.

    Of several processes each goes through its share; what the metrics need is gathered, so that all know the values.
    """
    engine = engine or Engine()
    meters = [(each, each.new()) for each in measures]
    for _, meter in meters:
        if hasattr(meter, "to"):
            meter.to(feeder.device)
    # Of several targets a split may lack some, of which nothing is measured then.
    met = {each.name for each in measures if each.target is None}
    losses: dict[str, list[Tensor]] = {}
    counts: dict[str, list[Any]] = {}
    with torch.inference_mode(), evaluating(parts), forked_rng(feeder.device):
        seed_all(mix(seed, -1), feeder.device)
        for batch in feeder.once((engine.rank, engine.world)):
            if engine.world == 1 and stopped():
                return None
            batch = task.prepare(batch)
            with autocast:
                step = task.evaluate(parts, batch)
            if step.loss is not None:
                counted = task.count(batch, next(iter(task.phases)))
                for term, loss in (step.loss if isinstance(step.loss, dict) else {"": step.loss}).items():
                    weight = 0.0 if batch.filler else 1.0
                    losses.setdefault(term, []).append(loss.float().sum() * weight)
                    count = counted[term] if isinstance(counted, dict) else counted
                    counts.setdefault(term, []).append(count * weight)
            for measure, meter in meters:
                try:
                    outputs = measure.outputs(step.outputs)
                except KeyError as error:
                    raise RunFailed(
                        f"task {type(task).__name__} promises the output {error} and did not give it."
                    ) from None
                if engine.world > 1:
                    outputs = {
                        name: engine.gather(each[:0] if batch.filler else each) for name, each in outputs.items()
                    }
                if measure.target is not None and not any(len(each) for each in outputs.values()):
                    continue
                meter.update(**outputs)
                met.add(measure.name)
        measured = Measured()
        terms = {}
        for term, each in losses.items():
            sums = [float(torch.stack(each).double().sum()), sum(float(count) for count in counts[term])]
            loss_sum, total = engine.sum(torch.tensor(sums, dtype=torch.float64)).tolist()
            # A split may lack what a term counts: rows with one of several targets.
            if total:
                terms[term] = loss_sum / total
        if terms:
            # What training lowers is the sum of the terms.
            measured.values["loss"] = sum(terms.values())
            measured.values |= {f"{term}.loss": value for term, value in terms.items() if term}
        for measure, meter in meters:
            if measure.name not in met:
                continue
            _take(measured, measure.name, meter.compute())
            if hasattr(meter, "picture"):
                measured.pictures[measure.name] = meter.picture
    _add_means(measured, measures)
    return measured


def _add_means(measured: Measured, measures: list[Measure]) -> None:
    """Over all targets that the rows have, where each is measured by the same."""
    for metric in dict.fromkeys(each.metric for each in measures if each.shared):
        names = [each.name for each in measures if each.metric == metric]
        values = [measured.values[name] for name in names if name in measured.values]
        if values:
            measured.values[metric] = sum(values) / len(values)


def forwards(parts: Parts, task: Task, feeder: Feeder, *, autocast: Any, seed: int) -> Iterator[tuple[Batch, Step]]:
    """Each batch of `feeder`, prepared, and what the task's evaluation gives for it, for a look at single rows.

    Between two of them nothing is as it is in evaluation: whoever looks may do what they like.
    """
    for place, batch in enumerate(feeder.once()):
        with torch.inference_mode(), evaluating(parts), forked_rng(feeder.device), autocast:
            seed_all(mix(seed, -1, place), feeder.device)
            prepared = task.prepare(batch)
            made = task.evaluate(parts, prepared)
        yield prepared, made


def _take(measured: Measured, name: str, value: Any) -> None:
    if isinstance(value, dict):
        for key, each in value.items():
            _take(measured, f"{name}.{key}", each)
    elif isinstance(value, Tensor) and value.numel() != 1:
        measured.tables[name] = value.tolist()
    elif isinstance(value, (list, tuple)):
        measured.tables[name] = value
    else:
        measured.values[name] = float(value)


@contextlib.contextmanager
def evaluating(parts: Parts) -> Iterator[None]:
    """Evaluation mode, and every module's own mode back afterwards: an author may have frozen some."""
    let_go(parts.modules())
    modes = [(module, module.training) for part in parts.modules() for module in part.modules()]
    for part in parts.modules():
        part.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        # The weights may be others at the next step: averaged ones go.
        let_go(parts.modules())


@contextlib.contextmanager
def buffers_kept(parts: Parts) -> Iterator[None]:
    """Running means and the like as they were, afterwards."""
    buffers = [(buffer, buffer.clone()) for part in parts.modules() for buffer in part.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)


@contextlib.contextmanager
def forked_rng(device: torch.device) -> Iterator[None]:
    """Random state as it was, afterwards: how often one evaluates never changes the training."""
    devices = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        yield


def seed_all(seed: int, device: torch.device) -> None:
    """Seed what the forward draws from. `torch.manual_seed` would cost a hundred times as much."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
