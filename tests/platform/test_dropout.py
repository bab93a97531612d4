"""Quick dropout: the right share, the right scale, the right gradient, and gone when a run is over."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

import modrack
from modrack.runner.dropout import dropout, plain, use


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_share_and_scale(p: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    made = dropout(torch.ones(1001, 999, dtype=dtype), p)
    assert made.dtype == dtype
    assert (made == 0).float().mean().item() == pytest.approx(p, abs=0.002)
    kept = made[made != 0].float()
    assert kept.max() == kept.min() == pytest.approx(1 / (1 - p), rel=0.01)
    # Neighbours, four of which come from one draw, do not hang together.
    gone = (made.flatten() == 0).float()
    assert torch.corrcoef(torch.stack([gone[:-1], gone[1:]]))[0, 1].abs() < 0.01


def test_the_gradient_passes_where_the_value_passed() -> None:
    given = torch.randn(7, 5, requires_grad=True)
    made = dropout(given, 0.5)
    made.sum().backward()
    assert given.grad is not None
    torch.testing.assert_close(given.grad * given.detach(), made.detach())


def test_it_repeats_by_torchs_generator() -> None:
    given, found = torch.ones(3, 11), []
    for _ in range(2):
        torch.manual_seed(5)
        found.append(dropout(given, 0.3))
    assert torch.equal(*found)
    assert not torch.equal(found[0], dropout(given, 0.3))


@pytest.mark.parametrize(("p", "training"), [(0.0, True), (1.0, True), (0.5, False), (1e-9, True)])
def test_what_is_no_chance_is_torchs(p: float, training: bool) -> None:
    given = torch.randn(4, 4)
    torch.testing.assert_close(dropout(given, p, training), plain(given, p, training))


def test_an_empty_tensor() -> None:
    assert dropout(torch.ones(0, 3), 0.5).shape == (0, 3)


def test_modules_use_it_during_a_run_and_torchs_afterwards(tmp_path: Path) -> None:
    use(True)
    try:
        torch.manual_seed(1)
        through_module = nn.Dropout(0.5)(torch.ones(50))
        torch.manual_seed(1)
        assert torch.equal(through_module, dropout(torch.ones(50), 0.5))
    finally:
        use(False)
    modrack.train(home=tmp_path, steps=2, limit=64, **{"model.dropout": 0.3, "model.width": 4, "model.hidden": 8})
    assert functional.dropout is plain
