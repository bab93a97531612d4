"""What a model must do: build, learn, be saved, move."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch

from modrack.runner.checkpoint import load_parts, save_parts
from modrack.runner.encode import encode_split
from modrack.runner.evaluate import evaluating, seed_all
from modrack.runner.feeder import Feeder
from modrack.runner.fit import sorts
from modrack.runner.parts import Parts
from modrack.seam import Batch, Task
from modrack.testing.kit import CheckFailed, NotApplicable
from modrack.testing.sample import CLASSES, sample
from modrack.testing.subject import Subject

CPU = torch.device("cpu")


def check_builds_from_data(subject: Subject) -> None:
    """The factory makes a module, or a dict of them, from a dataset's facts alone."""
    for gives in _takes(subject):
        build(subject, gives)


def check_forward(subject: Subject) -> None:
    """A batch goes through; logits are (rows, classes)."""
    for gives in _takes(subject):
        parts, task, batch = build(subject, gives)
        with torch.no_grad():
            made = task.forward(parts.model, task.prepare(batch))
        if "logits" in sorts(subject.component, "gives") and tuple(made.shape) != (batch.size, CLASSES):
            raise CheckFailed(
                f"{subject.component.file}: from {batch.size} rows and {CLASSES} classes it gives the shape "
                f"{tuple(made.shape)}; the last layer's size is len(data.classes)"
            )


def check_backward(subject: Subject) -> None:
    """Gradients reach weights, and are finite."""
    for gives in _takes(subject):
        parts, task, batch = build(subject, gives)
        task.forward(parts.model, task.prepare(batch)).float().square().mean().backward()
        gradients = [parameter.grad for parameter in parts.parameters() if parameter.grad is not None]
        if not gradients:
            raise CheckFailed(f"{subject.component.file}: no weight got a gradient")
        if not all(torch.isfinite(gradient).all() for gradient in gradients):
            raise CheckFailed(f"{subject.component.file}: gradients are not finite")


def check_saves_and_loads(subject: Subject) -> None:
    """Saved and loaded into a model built anew, the outputs are the same."""
    for gives in _takes(subject):
        parts, task, batch = build(subject, gives)
        with tempfile.TemporaryDirectory() as folder:
            save_parts(Path(folder), parts)
            again, _, _ = build(subject, gives, seed=1, restore=Path(folder))
            load_parts(Path(folder), again)
        if not torch.equal(outputs(parts, task, batch), outputs(again, task, batch)):
            raise CheckFailed(
                f"{subject.component.file}: loaded, its outputs differ; keep what is learned in parameters and buffers"
            )


def check_same_seed_same_weights(subject: Subject) -> None:
    """Built twice from one seed, it is the same: all chance comes from torch's generator."""
    for gives in _takes(subject):
        one, other = (build(subject, gives)[0].parameters() for _ in range(2))
        if not all(torch.equal(a, b) for a, b in zip(one, other, strict=True)):
            raise CheckFailed(f"{subject.component.file}: built twice from one seed, it has other weights")


def check_moves_device(subject: Subject) -> None:
    """Moved to another device, everything in it moves: no tensor is left behind in an attribute."""
    gives = _takes(subject)[0]
    parts, _, _ = build(subject, gives)
    if torch.accelerator.is_available():
        device = torch.accelerator.current_accelerator()
        parts, task, batch = build(subject, gives)
        for part in parts.modules():
            part.to(device)
        moved = Batch({name: value.to(device) for name, value in batch.items()}, size=batch.size, lengths=batch.lengths)
        task.forward(parts.model, task.prepare(moved))
        return
    for part in parts.modules():
        part.to("meta")
        for module in part.modules():
            for name, value in vars(module).items():
                if isinstance(value, torch.Tensor) and value.device.type != "meta":
                    raise CheckFailed(
                        f"{subject.component.file}: the tensor {type(module).__name__}.{name} does not move; "
                        "use register_buffer"
                    )


def build(subject: Subject, gives: str, seed: int = 0, restore: Path | None = None) -> tuple[Parts, Task, Batch]:
    """The model's parts over a sample of `gives`, the default task's input handling, and a batch of eight rows."""
    data, splits = sample(gives)
    data.restore = restore
    seed_all(seed, CPU)
    parts = Parts.of(subject.make(data=data), subject.component.where)
    task = Task(data, parts.processor)
    feeder = Feeder(encode_split(splits["validation"], task), batch_size=8, device=CPU, resident=False)
    return parts, task, next(feeder.once())


def outputs(parts: Parts, task: Task, batch: Batch) -> Any:
    """What the parts give in evaluation."""
    fresh = Batch(dict(batch), size=batch.size, rows=batch.rows, lengths=batch.lengths)
    with torch.no_grad(), evaluating(parts):
        return task.forward(parts.model, task.prepare(fresh))


def _takes(subject: Subject) -> list[str]:
    if "logits" not in sorts(subject.component, "gives"):
        raise NotApplicable("only models that give logits are tried alone; others are tried by their task")
    takes = [gives for gives in sorts(subject.component, "takes") if gives in ("image", "text", "tabular", "audio")]
    if not takes:
        raise NotApplicable(f"there is no sample data that give {' or '.join(sorts(subject.component, 'takes'))}")
    return takes
