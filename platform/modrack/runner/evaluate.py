"""Measures the parts on a split, without leaving a trace in the training."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from modrack.configure.experiment import Choice
from modrack.data.facts import Data
from modrack.runner.engine import Engine
from modrack.runner.feeder import Feeder
from modrack.runner.fit import wanted_outputs
from modrack.runner.noise import mix
from modrack.runner.parts import Parts
from modrack.runner.sharding import let_go
from modrack.seam import Batch, Step, Task
from modrack_registry.errors import RunFailed, UserError
from modrack_registry.suggest import did_you_mean


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
    metrics: list[Choice],
    data: Data,
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
    meters = []
    for choice in metrics:
        meter = choice.component.make({"data": data}, choice.options)
        if hasattr(meter, "to"):
            meter.to(feeder.device)
        meters.append((choice, meter, wanted_outputs(choice.component)))
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
            for _, meter, wanted in meters:
                try:
                    outputs = {name: step.outputs[name] for name in wanted}
                except KeyError as error:
                    raise RunFailed(
                        f"task {type(task).__name__} promises the output {error} and did not give it."
                    ) from None
                if engine.world > 1:
                    outputs = {
                        name: engine.gather(each[:0] if batch.filler else each) for name, each in outputs.items()
                    }
                meter.update(**outputs)
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
        for choice, meter, _ in meters:
            _take(measured, metric_name(choice, metrics), meter.compute())
            if hasattr(meter, "picture"):
                measured.pictures[metric_name(choice, metrics)] = meter.picture
    return measured


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


def monitored(metrics: list[Choice], asked: str | None) -> tuple[str, str]:
    """Which value says what is best, and its good direction: as asked, or the first metric that has one, or the loss.

    Raises UserError for a value that no evaluation gives.
    """
    known_ways = {f"validation.{metric_name(choice, metrics)}": direction(choice) or "" for choice in metrics} | {
        "validation.loss": "lower"
    }
    if asked is None:
        return next((name, better) for name, better in known_ways.items() if better)
    full = asked if asked.startswith("validation.") else f"validation.{asked}"
    # A metric that gives several numbers has a name for each, after its own.
    known = next((better for name, better in known_ways.items() if full == name or full.startswith(f"{name}.")), None)
    if known is None:
        raise UserError(f"monitor={asked}: no evaluation gives that.", did_you_mean(full, known_ways))
    return full, known or "lower"


def direction(choice: Choice) -> str | None:
    """Whether more of this metric is better: higher, lower, or None where neither is."""
    better = choice.component.facts.get("better")
    return better[0] if isinstance(better, tuple) else better


def directions(metrics: list[Choice]) -> dict[str, str]:
    """The good direction of every value that a run records, by its whole name."""
    found = {"train.loss": "lower"}
    for split in ("validation", "test"):
        found[f"{split}.loss"] = "lower"
        for choice in metrics:
            better = direction(choice)
            if better:
                found[f"{split}.{metric_name(choice, metrics)}"] = better
    return found


def metric_name(choice: Choice, metrics: list[Choice]) -> str:
    """The bare name, or the full one where two metrics share it."""
    name = choice.component.name
    return name if sum(each.component.name == name for each in metrics) == 1 else choice.component.full


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
