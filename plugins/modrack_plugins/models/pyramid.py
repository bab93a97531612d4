"""Halving and doubling the sides of images of any size, so that what was halved comes back exactly."""

from __future__ import annotations

from collections.abc import Callable
from math import gcd
from typing import Literal

from torch import nn

Size = tuple[int, int]
Norm = Literal["group", "none"]


def halvings(height: int, width: int, depth: int | None) -> list[Size]:
    """The sizes from (height, width) down, each half of the one before, rounded up.

    `depth` halvings; None halves until at most 7 pixels are left: 28 becomes 14, then 7, and 8 becomes 4.
    """
    sizes = [(height, width)]
    while len(sizes) - 1 < depth if depth is not None else max(sizes[-1]) > 7:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return sizes


def down(before: int, out: int, size: Size, norm: Norm, activation: Callable[[], nn.Module]) -> nn.Sequential:
    """(n, before, *size) → (n, out, half of size, rounded up)."""
    return nn.Sequential(nn.Conv2d(before, out, _kernel(size), stride=2, padding=1), *_normed(out, norm), activation())


def up(before: int, out: int, size: Size, norm: Norm, activation: Callable[[], nn.Module]) -> nn.Sequential:
    """(n, before, half of size, rounded up) → (n, out, *size)."""
    return nn.Sequential(
        nn.ConvTranspose2d(before, out, _kernel(size), stride=2, padding=1), *_normed(out, norm), activation()
    )


def _kernel(size: Size) -> Size:
    # Four over an even side and three over an odd one give ceil(side / 2) on the way down, and the side on the way up.
    return 4 - size[0] % 2, 4 - size[1] % 2


def _normed(channels: int, norm: Norm) -> list[nn.Module]:
    # At most eight groups, of four channels or more where there are so many.
    return [nn.GroupNorm(gcd(8, max(1, channels // 4), channels), channels)] if norm == "group" else []
