"""What a metric must do."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from modrack.data.facts import Data
from modrack.runner.fit import sorts
from modrack.runner.measures import wanted_outputs
from modrack.testing.kit import CheckFailed, NotApplicable
from modrack.testing.sample import CLASSES, sample
from modrack.testing.subject import Subject

ROWS = 96


def check_some_task_emits_what_it_asks(subject: Subject) -> None:
    """The names of update's parameters are outputs of a task that is installed."""
    wanted = set(wanted_outputs(subject.component))
    tasks = {task.name: set(getattr(task.factory, "emits", ())) for task in subject.registry.components("task")}
    if not any(wanted <= emitted for emitted in tasks.values()):
        known = "; ".join(f"{name}: {', '.join(sorted(emitted))}" for name, emitted in tasks.items())
        raise CheckFailed(
            f"{subject.component.file}: update asks for {', '.join(sorted(wanted))}; no task emits that ({known})"
        )


def check_any_batching_agrees(subject: Subject) -> None:
    """The same rows in one batch, in many, or in another order give the same value."""
    data, outputs = _outputs(subject)
    whole = _value(subject, data, outputs, [ROWS])
    for sizes in ([1] * ROWS, [5, 40, 51]):
        _agree(subject, whole, _value(subject, data, outputs, sizes), f"in batches of {sizes[0]}")
    order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(1))
    _agree(
        subject, whole, _value(subject, data, {k: v[order] for k, v in outputs.items()}, [33, 63]), "in another order"
    )


def check_a_new_one_starts_afresh(subject: Subject) -> None:
    """Nothing is kept from one evaluation to the next."""
    data, outputs = _outputs(subject)
    one, other = (_value(subject, data, outputs, [ROWS]) for _ in range(2))
    _agree(subject, one, other, "the second time")


def _outputs(subject: Subject) -> tuple[Data, dict[str, Tensor]]:
    wanted = wanted_outputs(subject.component)
    if not set(wanted) <= {"logits", "prediction", "target"}:
        raise NotApplicable(f"there is no sample of the outputs {', '.join(wanted)}")
    generator = torch.Generator().manual_seed(0)
    targets = sorts(subject.component, "target")
    number = "prediction" in wanted or targets == ("number",)
    target = "number" if number else "class" if not targets or "class" in targets else targets[0]
    data = sample("tabular", target)[0]
    size = {"class": (), "classes": (CLASSES,), "number": ()}[target]
    outputs = {
        "logits": torch.randn(ROWS, 1 if target == "number" else CLASSES, generator=generator),
        "target": torch.rand(ROWS, generator=generator)
        if target == "number"
        else torch.randint(CLASSES if target == "class" else 2, (ROWS, *size), generator=generator),
    }
    if target == "number":
        # Both above 0, since some figures are of shares or logarithms.
        outputs["logits"] = outputs["logits"].abs()
        outputs["prediction"] = outputs["logits"][:, 0]
    return data, {name: outputs[name] for name in wanted}


def _value(subject: Subject, data: Data, outputs: dict[str, Tensor], sizes: list[int]) -> Any:
    meter = subject.make(data=data)
    pieces = {name: tensor.split(sizes) for name, tensor in outputs.items()}
    for index in range(len(sizes)):
        meter.update(**{name: piece[index] for name, piece in pieces.items()})
    return meter.compute()


def _agree(subject: Subject, one: Any, other: Any, when: str) -> None:
    flat = [torch.tensor(_flat(value)) for value in (one, other)]
    if flat[0].shape != flat[1].shape or not torch.allclose(flat[0], flat[1], rtol=1e-4, atol=1e-5, equal_nan=True):
        raise CheckFailed(
            f"{subject.component.file}: {when} the same rows give {flat[1][:4].tolist()}, not {flat[0][:4].tolist()}"
        )


def _flat(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for key in sorted(value) for number in _flat(value[key])]
    if isinstance(value, (list, tuple)):
        return [number for each in value for number in _flat(each)]
    return [float(number) for number in torch.as_tensor(value).double().reshape(-1).tolist()]
