"""Fréchet's distance: as scipy computes it, as theory has it, and on features of a classifier trained here."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

import modrack
from modrack.past import looking_in
from modrack_plugins.metrics.features import Features
from modrack_plugins.metrics.frechet import Moments, distance
from modrack_registry.errors import UserError
from modrack_registry.registry import load_registry

REGISTRY = load_registry()


def gaussian(seed: int, size: int = 6, rank: int | None = None) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    factor = torch.randn(size, rank or size, generator=generator, dtype=torch.float64)
    return torch.randn(size, generator=generator, dtype=torch.float64), factor @ factor.T


def by_scipy(mean: Tensor, covariance: Tensor, other_mean: Tensor, other_covariance: Tensor) -> float:
    root = scipy.linalg.sqrtm((covariance @ other_covariance).numpy())
    gap = float((mean - other_mean).square().sum())
    return gap + float(covariance.trace() + other_covariance.trace()) - 2 * float(np.trace(np.real(root)))


@pytest.mark.parametrize("seed", range(5))
def test_it_is_what_scipy_computes(seed: int) -> None:
    one, other = gaussian(seed), gaussian(seed + 100)
    assert distance(*one, *other) == pytest.approx(by_scipy(*one, *other), rel=1e-9)


def test_it_is_known_for_balls_and_for_the_same() -> None:
    size, mean, unit = 4, torch.full((4,), 3.0).double(), torch.eye(4).double()
    # |m|² + d (1 - s)²
    assert distance(0 * mean, unit, mean, 4 * unit) == pytest.approx(size * 9 + size * (1 - 2) ** 2)
    one = gaussian(1)
    assert distance(*one, *one) == pytest.approx(0, abs=1e-9)


def test_fewer_rows_than_dimensions_are_no_trouble() -> None:
    one, other = gaussian(1, 12, rank=3), gaussian(2, 12, rank=5)
    assert distance(*one, *other) == pytest.approx(distance(*other, *one), rel=1e-7)
    assert distance(*one, *one) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("pieces", [[200], [1] * 200, [3, 150, 47]])
def test_moments_that_stream_are_those_of_all_rows(pieces: list[int]) -> None:
    # A mean far from 0 is what costs digits.
    rows = 1e4 + torch.randn(200, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moments = Moments()
    for piece in rows.split(pieces):
        moments.add(piece)
    np.testing.assert_allclose(moments.mean.numpy(), rows.mean(0).numpy(), rtol=1e-12)
    np.testing.assert_allclose(moments.covariance.numpy(), np.cov(rows.numpy().T), rtol=1e-9)


def make(features: str, shape: tuple[int, ...] = (1, 8, 8)) -> Any:
    return REGISTRY.find("metric", "frechet-distance").make(
        {"data": SimpleNamespace(shape=shape)}, {"features": features}
    )


def test_of_pixels_it_grows_with_the_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(64, 1, 8, 8, generator=generator)
    found = []
    for share in (0.0, 0.1, 0.5):
        meter = make("pixels")
        noisy = torch.lerp(images, torch.rand(images.shape, generator=generator), share)
        for real, made in zip(images.split(20), noisy.split(20), strict=True):
            meter.update(real, made)
        found.append(meter.compute())
    assert found[0] == pytest.approx(0, abs=1e-6)
    assert found[0] < found[1] < found[2]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose run 1 is a classifier of digits."""
    folder = tmp_path_factory.mktemp("home")
    words: dict[str, Any] = {"model.width": 4, "model.hidden": 12, "threads": 1, "device": "cpu"}
    modrack.train(model="cnn", dataset="digits", steps=20, home=folder, **words)
    return folder


def test_features_are_what_the_last_layer_reads(home: Path) -> None:
    run = next(iter(modrack.runs(home=home)))
    model = run.load_model()
    see = Features(model, run.data["mean"], run.data["std"])
    images = torch.rand(7, 1, 8, 8)
    features = see(images)
    assert features.shape == (7, 12)
    standard = (images - torch.tensor(run.data["mean"])) / torch.tensor(run.data["std"])
    torch.testing.assert_close(model[-1](features), model(standard))


def test_a_run_trains_against_a_past_runs_features(home: Path) -> None:
    words: dict[str, Any] = {"metric.frechet-distance.features": "run:1", "model.width": 4, "threads": 1}
    run = modrack.train(model="dcgan", dataset="digits", steps=3, limit=96, device="cpu", home=home, **words)
    assert run.metrics["test.frechet-distance"] > 0
    assert run.params["metric.frechet-distance.features"] == "run:1"


@pytest.mark.parametrize(
    ("features", "shape", "said"),
    [
        ("inception", (1, 8, 8), "names no run"),
        ("run:x", (1, 8, 8), "names no run"),
        ("run:77", (1, 8, 8), "there is no run 77"),
        ("run:1", (1, 28, 28), "it was trained on 1×8×8, and these images are 1×28×28"),
    ],
)
def test_what_cannot_be_used_says_why(features: str, shape: tuple[int, ...], said: str, home: Path) -> None:
    with looking_in(home), pytest.raises(UserError, match=said):
        make(features, shape)
