"""From an experiment to parts that are ready to learn, in the order of the seam:

dataset → data → model (and processor) → task → encode → feeder → optimizers.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from modrack.configure.experiment import Experiment
from modrack.configure.settings import Settings
from modrack.data.facts import Data, derive
from modrack.native.rows import large_embeddings
from modrack.runner.added import use_added
from modrack.runner.allocator import give_back
from modrack.runner.compiled import compile_part
from modrack.runner.ema import Ema
from modrack.runner.encode import encode_split
from modrack.runner.engine import Engine
from modrack.runner.evaluate import seed_all
from modrack.runner.facts import gather_facts
from modrack.runner.feeder import Feeder
from modrack.runner.fit import check_model, classes_checked, pick_task
from modrack.runner.hardware import Hardware, probe, probe_native, probe_onednn
from modrack.runner.kernels import choose_kernels
from modrack.runner.largest import try_largest
from modrack.runner.lora import add_adapters
from modrack.runner.measures import choose_measures, monitored
from modrack.runner.memory_plan import is_fsdp
from modrack.runner.noise import mix
from modrack.runner.number_plan import NATIVE_PARAMETERS
from modrack.runner.one_batch import try_one_batch
from modrack.runner.optimizers import choose_learners, make_optimizers
from modrack.runner.parts import Parts
from modrack.runner.plan import PROBE_STEP_FLOPS, Facts, Plan, choose_device, make_plan, step_flops
from modrack.runner.precision import SHORT, autocast
from modrack.runner.recompute import recompute_layers
from modrack.runner.rig import Rig
from modrack.runner.sharding import noticing_derivatives, shard
from modrack.runner.sizes import activation_bytes
from modrack.runner.steps import check_batch, check_tokens, evaluation_batch, largest_step, total_steps
from modrack.runner.stream import StreamFeeder
from modrack.runner.uncompiled import leave_compiler_out
from modrack.runner.update import Update
from modrack.seam import Task


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
    model_component = experiment.needed("model").component
    check_model(experiment.registry, model_component, experiment.needed("dataset").component, data)
    task_choice = pick_task(experiment, data, model_component)
    # Picking a task may have brought defaults of its own.
    settings, model_choice = experiment.settings, experiment.needed("model")
    data.restore = restore
    seed_all(mix(settings.seed), torch.device("cpu"))
    parts = Parts.of(model_choice.component.make({"data": data}, model_choice.options), model_choice.component.where)
    add_adapters(parts, settings)
    task: Task = task_choice.component.make({"data": data, "processor": parts.processor}, task_choice.options)
    measures = choose_measures(experiment, task, task_choice.component, data)
    monitored(measures, settings.monitor)
    streamed = data.sizes["train"] is None
    encoded = {name: encode_split(split, task) for name, split in splits.items() if not (streamed and name == "train")}
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
    learners = choose_learners(parts, task, settings)
    with noticing_derivatives() as derived:
        checked = partial(classes_checked, model_component, data, task, parts)
        activations = activation_bytes(parts, task, train, checked)
    facts = gather_facts(
        experiment,
        data,
        parts,
        task,
        train,
        learners,
        steps=steps,
        activations=activations,
        several=engine.world > 1,
        twice=bool(derived),
    )
    planned = replace(settings, batch_size=largest)
    hardware = _probe(facts, planned)
    plan = make_plan(hardware, facts, planned, engine.local_world, before, engine.world)
    device = engine.place(plan["device"])
    recompute_layers(parts, plan["recompute"])
    _prepare_parts(parts, plan, device, engine, asked=bool(settings.compile), twice=bool(derived))
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
    optimizers, schedulers = make_optimizers(experiment, parts, learners, steps, plan, engine, device)
    accumulate = settings.accumulate or -(-largest // plan["micro_batch"])
    # Rows of several micro-batches would be put one behind the other.
    by_rows = plan["kernels"] == "native" and engine.world == 1 and accumulate == 1
    pairs = [(getattr(parts, name), optimizer) for name, optimizer in optimizers.items()] if by_rows else []
    update = Update(
        parts,
        task,
        optimizers,
        schedulers,
        device=device,
        autocast=autocast(device, plan["precision"]),
        seed=settings.seed,
        clip=settings.clip,
        scaler=torch.amp.GradScaler(device.type) if plan["precision"] == "fp16" else None,
        ema=Ema([p for p in parts.parameters() if p.requires_grad], settings.ema) if settings.ema else None,
        engine=engine,
        embeddings=[module for pair in pairs for module in large_embeddings(*pair)],
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
        measures,
        steps,
        model_choice.component.name,
        facts.parameters,
        {name: each.digest() for name, each in encoded.items()},
        facts,
        accumulate,
    )
    use_added(rig)
    try_one_batch(rig)
    if rig.sharded:
        give_back()
    if device.type != "cpu" and settings.accumulate is None and not before:
        try_largest(rig, train, largest, hardware.memory)
    return rig


def load_data(experiment: Experiment) -> tuple[Data, dict[str, Any]]:
    """The dataset's facts and its splits."""
    choice, settings = experiment.needed("dataset"), experiment.settings
    return derive(
        choice.component.make({}, choice.options),
        name=choice.component.full,
        file=choice.component.file,
        gives=choice.component.facts.get("gives"),
        target=choice.component.facts.get("target"),
        split_seed=settings.split_seed,
        validation_share=settings.validation_share,
        limit=settings.limit,
    )


def _probe(facts: Facts, settings: Settings) -> Hardware:
    """The hardware, with what takes a moment to find out where it matters."""
    hardware = probe()
    if choose_device(hardware, settings.device).value != "cpu":
        return hardware
    if step_flops(facts, settings) > PROBE_STEP_FLOPS:
        hardware = replace(hardware, onednn_fp32=probe_onednn())
    large = facts.parameters >= NATIVE_PARAMETERS
    if settings.kernels == "native" or (settings.kernels == "auto" and large):
        hardware = replace(hardware, not_native=probe_native())
    return hardware


def _prepare_parts(parts: Parts, plan: Plan, device: torch.device, engine: Engine, *, asked: bool, twice: bool) -> None:
    choose_kernels(plan, device)
    short = SHORT.get(plan["precision"]) if device.type != "cpu" else None
    for name, part in parts.items():
        if is_fsdp(plan, name):
            shard(part, device, engine, short, twice=twice)
        else:
            part.to(device)
        if plan["channels_last"] and not is_fsdp(plan, name):
            part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if plan["compile"] and not is_fsdp(plan, name):
            compile_part(part, plan, asked=asked)
