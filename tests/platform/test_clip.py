"""Clipping equals torch's, whoever applies the factor."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from modrack.runner.clip import clip_gradients
from modrack.runner.engine import Engine


def layer() -> nn.Linear:
    torch.manual_seed(0)
    made = nn.Linear(3, 3)
    made(torch.randn(4, 3)).square().sum().backward()
    return made


def test_gradients_are_clipped_as_torch_does() -> None:
    mine, torchs = layer(), layer()
    clip_gradients(list(mine.parameters()), 0.1, Engine())
    nn.utils.clip_grad_norm_(torchs.parameters(), 0.1)
    assert torch.equal(mine.weight.grad, torchs.weight.grad)  # type: ignore[arg-type]
    assert torch.equal(mine.bias.grad, torchs.bias.grad)  # type: ignore[arg-type]


@pytest.mark.parametrize("largest", [0.1, 1e6], ids=["clipped", "left"])
@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(
    ("kind", "more"), [(torch.optim.SGD, {"momentum": 0.9}), (torch.optim.AdamW, {"weight_decay": 0.1})]
)
def test_optimizers_move_as_after_torchs_clipping(kind: Any, more: dict[str, Any], fused: bool, largest: float) -> None:
    moved = []
    for ours in (True, False):
        model = layer()
        optimizer = kind(model.parameters(), lr=0.1, fused=fused, **more)
        start = model.weight.detach().clone()
        for scale in (1.0, 0.5):  # the factor of one step must not stay for the next
            model.zero_grad()
            (model(torch.ones(4, 3)).square().sum() * scale).backward()
            before = model.weight.grad.clone()  # type: ignore[union-attr]
            if ours:
                clip_gradients(list(model.parameters()), largest, Engine(), [optimizer])
                # A fused optimizer applies the factor itself.
                assert torch.equal(before, model.weight.grad) == (fused or largest > 1)  # type: ignore[arg-type]
            else:
                nn.utils.clip_grad_norm_(model.parameters(), largest)
            optimizer.step()
        assert not torch.equal(start, model.weight)
        moved.append(model.weight.detach())
    torch.testing.assert_close(*moved, rtol=1e-6, atol=1e-7)


def test_an_optimizer_of_another_library_gets_scaled_gradients() -> None:
    class Mine(torch.optim.SGD):
        """Says it is fused, but has a step of its own."""

    model = layer()
    clip_gradients(list(model.parameters()), 0.1, Engine(), [Mine(model.parameters(), lr=0.1, fused=True)])
    norm = torch.cat([parameter.grad.flatten() for parameter in model.parameters()]).norm()  # type: ignore[union-attr]
    assert float(norm) == pytest.approx(0.1, rel=1e-4)
