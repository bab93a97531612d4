"""VAE and DCGAN fit images of any size."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from modrack_plugins.models.pyramid import down, halvings, up
from modrack_registry.registry import load_registry

REGISTRY = load_registry()
SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (1, 5, 31), (4, 1, 1), (1, 7, 9)]


def make(name: str, shape: tuple[int, ...], **options: Any) -> dict[str, nn.Module]:
    component = REGISTRY.find("model", name)
    defaults = {each: option.default for each, option in component.options.items()}
    made: dict[str, nn.Module] = component.make({"data": SimpleNamespace(shape=shape)}, defaults | options)
    return made


@given(st.integers(1, 70), st.integers(1, 70))
@settings(max_examples=60, deadline=None)
def test_what_was_halved_comes_back(height: int, width: int) -> None:
    small = down(1, 2, (height, width), "none", nn.Identity)(torch.zeros(1, 1, height, width))
    assert small.shape == (1, 2, -(-height // 2), -(-width // 2))
    assert up(2, 8, (height, width), "group", nn.Identity)(small).shape == (1, 8, height, width)


def test_halvings_stop_at_seven_pixels_or_where_they_are_told_to() -> None:
    assert halvings(28, 28, None) == [(28, 28), (14, 14), (7, 7)]
    assert halvings(8, 8, None) == [(8, 8), (4, 4)]
    assert halvings(5, 7, None) == [(5, 7)]
    assert halvings(9, 2, 2) == [(9, 2), (5, 1), (3, 1)]


@pytest.mark.parametrize("body", ["conv", "mlp"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_vae_codes_and_rebuilds(shape: tuple[int, ...], body: str) -> None:
    parts = make("vae", shape, body=body, width=2, hidden=8, latent=5)
    image = torch.rand(3, *shape)
    assert parts["encoder"](image).shape == (3, 10)
    assert parts["decoder"](torch.zeros(3, 5)).shape == image.shape


@pytest.mark.parametrize("depth", [None, 0, 1])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_dcgan_makes_images_and_judges_them(shape: tuple[int, ...], depth: int | None) -> None:
    parts = make("dcgan", shape, width=2, latent=5, depth=depth)
    image = parts["generator"](torch.randn(3, 5))
    assert image.shape == (3, *shape)
    assert 0 <= image.min() <= image.max() <= 1
    assert parts["discriminator"](image).shape == (3,)
