"""How much memory the parts of a model need: what the plan weighs against what there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from modrack.configure.experiment import Choice
from modrack.runner.encode import Encoded
from modrack.runner.evaluate import buffers_kept, forked_rng
from modrack.runner.largest import few_rows
from modrack.runner.memory_plan import PartFacts
from modrack.runner.parts import Parts
from modrack.runner.recompute import counting_saved
from modrack.runner.sharding import why_whole
from modrack.runner.uncompiled import leave_compiler_out
from modrack.seam import Batch, Task

# Two moments in fp32, as Adam's.
ADAM_BYTES = 8.0


def part_facts(
    parts: Parts, learners: list[str], chosen: dict[str, Choice | None], measure: bool, moves: bool
) -> tuple[PartFacts, ...]:
    """The sizes of all parts. With `measure` each optimizer is tried for what it keeps of a weight, else it is taken
    to be as much as Adam's. `moves` says that the task moves the weights of those that do not learn."""
    found = []
    for name, part in parts.items():
        weights = list(part.parameters())
        learning = [weight for weight in weights if weight.requires_grad] if name in learners else []
        state = sum(weight.numel() for weight in learning) * (_state_bytes(chosen.get(name)) if measure else ADAM_BYTES)
        largest = max(weights, key=lambda weight: weight.numel(), default=None)
        found.append(
            PartFacts(
                name,
                weights=sum(weight.nbytes for weight in weights),
                gradients=sum(weight.nbytes for weight in learning),
                state=int(state),
                rows=largest.shape[0] if largest is not None and largest.ndim else 0,
                whole=why_whole(part, parts.modules()) if learning or moves else "does not learn",
                follows=moves and not learning,
            )
        )
    return tuple(found)


def _state_bytes(choice: Choice | None) -> float:
    """Bytes that an optimizer keeps of each number of a weight, by a step on a small layer."""
    if choice is None:
        return 0.0
    leave_compiler_out()
    trial = nn.Linear(64, 64)
    for parameter in trial.parameters():
        parameter.grad = torch.zeros_like(parameter)
    try:
        optimizer = choice.component.make({"params": [{"params": list(trial.parameters())}]}, choice.options)
        optimizer.step()
        states = [state for each in getattr(optimizer, "inner", [optimizer]) for state in each.state.values()]
    except Exception:
        return ADAM_BYTES  # What it says against real weights it will say when it is made for them.
    kept = sum(value.nbytes for state in states for value in state.values() if isinstance(value, torch.Tensor))
    return kept / sum(parameter.numel() for parameter in trial.parameters())


def activation_bytes(parts: Parts, task: Task, train: Encoded, checked: Callable[[Batch], Any]) -> float:
    """What a row's forward saves for its backward, of the phase that saves most; measured on two of the longest rows,
    on the host.

    `checked` gives a context that says more of a step that fails.
    """
    batch = few_rows(train, 2, torch.device("cpu"), longest=True)
    batch.training = True
    most = 0
    with forked_rng(torch.device("cpu")), buffers_kept(parts):
        prepared = task.prepare(batch)
        for phase in task.phases:
            with checked(prepared), counting_saved(parts.modules()) as counted:
                made = task.step(parts, prepared, phase)
            del made
            most = max(most, sum(counted))
    return most / batch.size
