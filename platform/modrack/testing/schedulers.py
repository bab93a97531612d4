"""What a schedule must do."""

from __future__ import annotations

import json
import math
from typing import Any

import torch

from modrack.testing.kit import CheckFailed
from modrack.testing.subject import Subject

STEPS = 20


def check_learning_rate_is_sane(subject: Subject) -> None:
    """Over a whole run the learning rate is finite and never negative, and it learns at all."""
    rates = _walk(*_make(subject), STEPS)
    if not all(math.isfinite(rate) and rate >= 0 for rate in rates):
        raise CheckFailed(f"{subject.component.file}: the learning rate takes the values {rates}")
    if not any(rates):
        raise CheckFailed(f"{subject.component.file}: the learning rate is 0 throughout")


def check_short_runs(subject: Subject) -> None:
    """A run of one step works."""
    _walk(*_make(subject, steps=1), 1)


def check_state_saves_and_loads(subject: Subject) -> None:
    """Saved as JSON and loaded in the middle, it goes on as if nothing had been."""
    whole = _walk(*_make(subject), STEPS)
    optimizer, schedule = _make(subject)
    _walk(optimizer, schedule, 7)
    try:
        text = json.dumps([schedule.state_dict(), [group["lr"] for group in optimizer.param_groups]])
    except TypeError as error:
        raise CheckFailed(f"{subject.component.file}: its state_dict is not JSON: {error}") from None
    state, rates = json.loads(text)
    optimizer, schedule = _make(subject)
    schedule.load_state_dict(state)
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    if _walk(optimizer, schedule, STEPS - 7) != whole[7:]:
        raise CheckFailed(f"{subject.component.file}: loaded in the middle, it takes other values")


def _make(subject: Subject, steps: int = STEPS) -> tuple[torch.optim.Optimizer, Any]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    return optimizer, subject.make(optimizer=optimizer, steps=steps)


def _walk(optimizer: torch.optim.Optimizer, schedule: Any, steps: int) -> list[float]:
    rates = []
    for _ in range(steps):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        schedule.step()
    return rates
