"""The two parts of `dcgan`."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from modrack_plugins.models.pyramid import Norm, Size, down, up


class Generator(nn.Module):
    """Noise (n, latent) → pixels from 0 to 1, (n, channels, height, width)."""

    def __init__(self, latent: int, channels: int, sizes: list[Size], width: int, norm: Norm) -> None:
        super().__init__()
        self.latent = latent
        # Channels at each size, from the full one down.
        levels = [width * 2**level for level in range(len(sizes))]
        first = (levels[-1], *sizes[-1])
        steps = list(zip(sizes[:-1], levels[1:], levels[:-1], strict=True))
        self.body = nn.Sequential(
            nn.Linear(latent, math.prod(first)),
            nn.Unflatten(1, first),
            nn.ReLU(),
            *(up(many, few, size, norm, nn.ReLU) for size, many, few in reversed(steps)),
            nn.Conv2d(levels[0], channels, 3, padding=1),
        )

    def forward(self, noise: Tensor) -> Tensor:
        return torch.sigmoid(self.body(noise))


class Discriminator(nn.Module):
    """Pixels from 0 to 1, (n, channels, height, width) → a score a row, (n,)."""

    def __init__(self, channels: int, sizes: list[Size], width: int) -> None:
        super().__init__()
        levels = [width * 2**level for level in range(len(sizes))]
        steps = zip(sizes[:-1], levels[:-1], levels[1:], strict=True)
        self.body = nn.Sequential(
            nn.Conv2d(channels, levels[0], 3, padding=1),
            _leaky(),
            *(down(few, many, size, "none", _leaky) for size, few, many in steps),
            nn.Flatten(),
            nn.Linear(levels[-1] * math.prod(sizes[-1]), 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        scores: Tensor = self.body(2 * image - 1)
        return scores[:, 0]


def _leaky() -> nn.Module:
    return nn.LeakyReLU(0.2)
