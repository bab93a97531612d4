"""rmse, mae and r2 against scikit-learn."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import sklearn.metrics as sk
import torch

from modrack_registry.registry import load_registry

REGISTRY = load_registry()
OWN = {"rmse": sk.root_mean_squared_error, "mae": sk.mean_absolute_error, "r2": sk.r2_score}


def value(name, guess, truth, pieces):
    component = REGISTRY.find("metric", name)
    meter = component.make({"data": SimpleNamespace(target_mean=float(truth.mean()))}, {})
    meter.to(torch.device("cpu"))
    for some, right in zip(guess.split(pieces), truth.split(pieces), strict=True):
        meter.update(some, right)
    return float(meter.compute())


@pytest.mark.parametrize("pieces", [[150], [50, 1, 99], [1] * 150], ids=["whole", "three", "single rows"])
@pytest.mark.parametrize("offset", [0.0, 1e4], ids=["near nought", "far from nought"])
@pytest.mark.parametrize("name", list(OWN))
def test_against_scikit_learn(name, offset, pieces):
    generator = torch.Generator().manual_seed(3)
    truth = 2 * torch.randn(150, generator=generator) + offset
    guess = truth + torch.randn(150, generator=generator)
    wanted = OWN[name](truth.double(), guess.double())
    assert value(name, guess, truth, pieces) == pytest.approx(wanted, rel=1e-9)


def test_r2_of_equal_targets_is_scikit_learns():
    truth = torch.full((4,), 3.0)
    for guess in (truth, truth + 1):
        assert value("r2", guess, truth, [2, 2]) == sk.r2_score(truth, guess)
