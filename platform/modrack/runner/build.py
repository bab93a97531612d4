"""From an experiment to parts that are ready to learn, in the order of the seam:

dataset → data → model (and processor) → task → encode → feeder → optimizers.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from modrack.configure.experiment import Choice, Experiment
from modrack.configure.settings import Settings
from modrack.data.facts import Data, derive
from modrack.runner.added import use_added
from modrack.runner.allocator import give_back
from modrack.runner.compiled import compile_part
from modrack.runner.ema import Ema
from modrack.runner.encode import Encoded, encode_split
from modrack.runner.engine import Engine
from modrack.runner.evaluate import buffers_kept, evaluating, forked_rng, monitored, seed_all
from modrack.runner.feeder import Feeder
from modrack.runner.fit import check_classes, check_metrics, check_model, classes_checked, pick_task
from modrack.runner.flops import counting_flops
from modrack.runner.groups import freeze, parameter_groups
from modrack.runner.hardware import probe, probe_onednn
from modrack.runner.kernels import choose_kernels
from modrack.runner.largest import few_rows, try_largest
from modrack.runner.lora import add_adapters
from modrack.runner.memory_plan import is_fsdp
from modrack.runner.noise import mix
from modrack.runner.parts import Parts
from modrack.runner.plan import PROBE_STEP_FLOPS, Facts, Plan, choose_device, make_plan, step_flops
from modrack.runner.recompute import count_layers, recompute_layers
from modrack.runner.rehearsal import refused_where_sharded, rehearse
from modrack.runner.sharding import check_optimizer, is_sharded, noticing_derivatives, shard
from modrack.runner.sizes import activation_bytes, part_facts
from modrack.runner.steps import check_batch, check_tokens, largest_step, total_steps
from modrack.runner.stream import StreamFeeder
from modrack.runner.uncompiled import leave_compiler_out
from modrack.runner.update import Update
from modrack.seam import Batch, Ragged, Task
from modrack_registry.component import Component
from modrack_registry.errors import UserError

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


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
    metrics: list[Choice]
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


def build(
    experiment: Experiment,
    engine: Engine | None = None,
    restore: Path | None = None,
    before: dict[str, Any] | None = None,
) -> Rig:
    """Build all parts, and try one batch through training and evaluation. Raises UserError for what does not fit.

    `restore` is a checkpoint's folder, whose processor and configuration the model is rebuilt with; `before` the plan
    of the run that goes on from it.
    """
    engine = engine or Engine()
    data, splits = load_data(experiment)
    model_component = _needed(experiment, "model").component
    check_model(experiment.registry, model_component, _needed(experiment, "dataset").component, data)
    task_choice = pick_task(experiment, data, model_component)
    # Picking a task may have brought defaults of its own.
    settings, model_choice = experiment.settings, _needed(experiment, "model")
    data.restore = restore
    seed_all(mix(settings.seed), torch.device("cpu"))
    parts = Parts.of(model_choice.component.make({"data": data}, model_choice.options), model_choice.component.where)
    add_adapters(parts, settings)
    task: Task = task_choice.component.make({"data": data, "processor": parts.processor}, task_choice.options)
    metrics = experiment.many("metric")
    check_metrics(metrics, task, task_choice.component)
    for choice in metrics:
        # Each evaluation makes new ones; what does not fit the data must show before the run starts.
        choice.component.make({"data": data}, choice.options)
    monitored(metrics, settings.monitor)
    streamed = data.sizes["train"] is None
    encoded = {name: encode_split(split, task) for name, split in splits.items() if not (streamed and name == "train")}
    parameters = sum(parameter.numel() for parameter in parts.parameters())
    if not streamed:
        check_batch(experiment, encoded["train"])
    steps = total_steps(experiment, None if streamed else encoded["train"])
    stream = StreamFeeder(
        splits["train"],
        task,
        batch_size=settings.batch_size,
        steps=steps,
        device=torch.device("cpu"),
        seed=settings.seed,
        batch_tokens=settings.batch_tokens,
    )
    train = stream.sample() if streamed else encoded["train"]
    if streamed and settings.batch_tokens is not None:
        check_tokens(settings.batch_tokens, train)
    largest = largest_step(experiment, train)
    learners = sorted(
        {name for names in task.phases.values() for name in (names or tuple(parts))}, key=list(parts).index
    )
    _say_who_learns(parts, learners, settings)
    layers = count_layers(parts)
    with noticing_derivatives() as derived:
        checked = partial(classes_checked, model_component, data, task, parts)
        activations = _activations(parts, task, train, checked)
    facts = Facts(
        rows=None if streamed else train.size,
        bytes=train.bytes,
        ragged=bool(train.ragged),
        parameters=parameters,
        flops=_forward_flops(parts, task, train, model_component, data),
        convolutional=data.gives == "image" and any(isinstance(m, nn.Conv2d) for m in _all_modules(parts)),
        steps=steps,
        parts=part_facts(
            parts,
            learners,
            {name: _for_part(experiment, "optimizer", name) for name in learners},
            engine.world > 1,
            type(task).after is not Task.after,
        ),
        activations=activations,
        layers=layers,
        additive=task.additive,
        batch_norm=any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in _all_modules(parts)),
    )
    hardware = probe()
    planned = replace(settings, batch_size=largest)
    if choose_device(hardware, settings.device).value == "cpu" and step_flops(facts, planned) > PROBE_STEP_FLOPS:
        hardware = replace(hardware, onednn_fp32=probe_onednn())
    plan = make_plan(hardware, facts, planned, engine.local_world, before, engine.world)
    device = engine.place(plan["device"])
    recompute_layers(parts, plan["recompute"])
    _prepare_parts(parts, plan, device, engine, asked=bool(settings.compile), twice=bool(derived))
    autocast: Any = contextlib.nullcontext()
    if plan["precision"] in _DTYPES:
        autocast = torch.autocast(device.type, _DTYPES[plan["precision"]])
    feeders: dict[str, Any] = {
        name: Feeder(
            each,
            batch_size=settings.batch_size if name == "train" else evaluation_batch(experiment),
            device=device,
            resident=plan["feeder"] == "resident",
            seed=settings.seed,
            batch_tokens=settings.batch_tokens if name == "train" else None,
        )
        for name, each in encoded.items()
    }
    if streamed:
        stream.device = device
        feeders["train"] = stream
    if not plan["compile"]:
        leave_compiler_out()
    optimizers, schedulers = _optimizers(experiment, parts, learners, steps, plan, engine, device)
    update = Update(
        parts,
        task,
        optimizers,
        schedulers,
        device=device,
        autocast=autocast,
        seed=settings.seed,
        clip=settings.clip,
        scaler=torch.amp.GradScaler(device.type) if plan["precision"] == "fp16" else None,
        ema=Ema([p for p in parts.parameters() if p.requires_grad], settings.ema) if settings.ema else None,
        engine=engine,
    )
    rig = Rig(
        experiment,
        data,
        parts,
        task,
        plan,
        device,
        feeders,
        update,
        metrics,
        steps,
        model_choice.component.name,
        parameters,
        {name: each.digest() for name, each in encoded.items()},
        facts,
        settings.accumulate or -(-largest // plan["micro_batch"]),
    )
    use_added(rig)
    _try_one_batch(rig)
    if rig.sharded:
        give_back()
    if device.type != "cpu" and settings.accumulate is None and not before:
        try_largest(rig, train, largest, hardware.memory)
    return rig


def load_data(experiment: Experiment) -> tuple[Data, dict[str, Any]]:
    """The dataset's facts and its splits."""
    choice, settings = _needed(experiment, "dataset"), experiment.settings
    return derive(
        choice.component.make({}, choice.options),
        name=choice.component.full,
        file=choice.component.file,
        gives=choice.component.facts.get("gives"),
        target=choice.component.facts.get("target"),
        split_seed=settings.split_seed,
        limit=settings.limit,
    )


def _needed(experiment: Experiment, kind: str) -> Choice:
    choice = experiment.one(kind)
    if choice is None:
        raise UserError(f"No {kind} is chosen.", f"Say --{kind} NAME; `modrack list {kind}` shows them.")
    return choice


def evaluation_batch(experiment: Experiment) -> int:
    """Rows of a batch in evaluation."""
    settings = experiment.settings
    # Without gradients a batch needs a fraction of the memory.
    return settings.evaluation_batch_size or max(256, settings.batch_size)


def _say_who_learns(parts: Parts, learners: list[str], settings: Settings) -> None:
    for name, part in parts.items():
        if name not in learners:
            part.requires_grad_(False)
            part.eval()
        else:
            part.train()
    freeze(parts, settings.freeze)


def _prepare_parts(parts: Parts, plan: Plan, device: torch.device, engine: Engine, *, asked: bool, twice: bool) -> None:
    choose_kernels(plan, device)
    short = _DTYPES.get(plan["precision"]) if device.type != "cpu" else None
    for name, part in parts.items():
        if is_fsdp(plan, name):
            shard(part, device, engine, short, twice=twice)
        else:
            part.to(device)
        if plan["channels_last"] and not is_fsdp(plan, name):
            part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if plan["compile"] and not is_fsdp(plan, name):
            compile_part(part, plan, asked=asked)


def _optimizers(
    experiment: Experiment,
    parts: Parts,
    learners: list[str],
    steps: int,
    plan: Plan,
    engine: Engine,
    device: torch.device,
) -> tuple[dict[str, Any], dict[str, Any]]:
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
        chosen = _for_part(experiment, "optimizer", name)
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
        schedule = _for_part(experiment, "scheduler", name)
        if schedule is not None:
            given = {"optimizer": optimizers[name], "steps": steps}
            schedulers[name] = schedule.component.make(given, schedule.options)
    return optimizers, schedulers


def _for_part(experiment: Experiment, kind: str, part: str) -> Choice | None:
    """The choice made for this part alone, or the general one."""
    choices = experiment.many(kind)
    return next((each for each in choices if each.part == part), next((e for e in choices if e.part is None), None))


def _all_modules(parts: Parts) -> list[nn.Module]:
    return [module for part in parts.modules() for module in part.modules()]


def _forward_flops(parts: Parts, task: Task, train: Encoded, model: Component, data: Data) -> float:
    """Floating-point operations of one row's forward, counted on two rows of middling length."""
    batch = few_rows(train, 2, torch.device("cpu"))
    stretch = 1.0
    for name in train.ragged:
        column = train.columns[name]
        if isinstance(column, Ragged):
            mean = float(column.offsets[-1]) / max(1, train.size)
            stretch = mean / max(1.0, batch.lengths[name].float().mean().item())
    cpu = torch.device("cpu")
    with torch.no_grad(), evaluating(parts), forked_rng(cpu), counting_flops(parts.modules()) as counted:
        prepared = task.prepare(batch)
        with classes_checked(model, data, task, parts, prepared):
            task.evaluate(parts, prepared)
    return sum(counted) / batch.size * stretch


def _activations(parts: Parts, task: Task, train: Encoded, checked: Callable[[Batch], Any]) -> float:
    """Bytes that the forward of one of the longest rows saves for its backward, measured on two."""
    batch = few_rows(train, 2, torch.device("cpu"), longest=True)
    batch.training = True
    return activation_bytes(parts, task, batch, checked)


def _try_one_batch(rig: Rig) -> None:
    """Two rows through training and evaluation, leaving no trace: broken promises must show before the run starts."""
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
    model = _needed(rig.experiment, "model").component
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
    if step.loss is not None or monitored(rig.metrics, settings.monitor)[0] != "validation.loss":
        return
    asked = "monitor=loss" if settings.monitor else f"patience={settings.patience}" if settings.patience else None
    if asked is not None:
        raise UserError(
            f"{asked}: task {type(rig.task).__name__} measures no loss on validation.",
            f"Monitor a metric of {', '.join(rig.task.emits) or 'its outputs'}: `modrack list metric` shows them.",
        )


def _check_step(task: Task, step: Any, phase: str, needs: tuple[str, ...] = ()) -> None:
    missing = [name for name in needs if name not in step.outputs]
    if missing:
        raise UserError(
            f"task {type(task).__name__} emits {', '.join(task.emits)}, but its {phase} step gave no {missing[0]!r}.",
            f"Add it to the outputs of Step; there is: {', '.join(step.outputs) or 'nothing'}.",
        )
