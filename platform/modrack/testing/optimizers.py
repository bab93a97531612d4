"""What an optimizer must do."""

from __future__ import annotations

import json
from typing import Any

import torch

from modrack.runner.trees import pack, unpack
from modrack.testing.kit import CheckFailed
from modrack.testing.subject import Subject

STEPS = 60


def check_lowers_a_quadratic(subject: Subject) -> None:
    """Sixty steps on a quadratic make it smaller."""
    weights = _weights()
    optimizer = _make(subject, weights)
    before = _loss(weights).item()
    for _ in range(STEPS):
        _step(optimizer, weights)
    after = _loss(weights).item()
    if not after < before:
        raise CheckFailed(f"{subject.component.file}: {STEPS} steps took a quadratic from {before:.4g} to {after:.4g}")


def check_keeps_the_groups(subject: Subject) -> None:
    """It takes parameter groups, and moves no weight that it was not given."""
    weights, apart = _weights(), torch.ones(3, requires_grad=True)
    optimizer = _make(subject, weights)
    if not getattr(optimizer, "param_groups", None):
        raise CheckFailed(f"{subject.component.file}: what it returns has no param_groups")
    apart.grad = torch.ones(3)
    _step(optimizer, weights)
    if not torch.equal(apart, torch.ones(3)):
        raise CheckFailed(f"{subject.component.file}: it moved a weight that it was not given")


def check_state_saves_and_loads(subject: Subject) -> None:
    """Saved as tensors and JSON and loaded, it goes on bit for bit."""
    weights = _weights()
    optimizer = _make(subject, weights)
    for _ in range(3):
        _step(optimizer, weights)
    tensors: dict[str, torch.Tensor] = {}
    try:
        text = json.dumps(pack(optimizer.state_dict(), tensors, "state"))
    except TypeError as error:
        raise CheckFailed(f"{subject.component.file}: its state cannot be saved: {error}") from None
    kept = {name: tensor.clone() for name, tensor in tensors.items()}
    copies = [weight.detach().clone().requires_grad_() for weight in weights]
    again = _make(subject, copies)
    again.load_state_dict(unpack(json.loads(text), kept))
    for _ in range(3):
        _step(optimizer, weights)
        _step(again, copies)
    if not all(torch.equal(a, b) for a, b in zip(weights, copies, strict=True)):
        raise CheckFailed(f"{subject.component.file}: after saving and loading its state it goes elsewhere")


def _weights() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in ((4, 3), (3,))]


def _make(subject: Subject, weights: list[torch.Tensor]) -> Any:
    return subject.make(params=[{"params": weights[:1]}, {"params": weights[1:], "weight_decay": 0.0}])


def _loss(weights: list[torch.Tensor]) -> torch.Tensor:
    return torch.stack([(weight - 0.1).square().sum() for weight in weights]).sum()


def _step(optimizer: Any, weights: list[torch.Tensor]) -> None:
    optimizer.zero_grad()
    _loss(weights).backward()
    optimizer.step()
