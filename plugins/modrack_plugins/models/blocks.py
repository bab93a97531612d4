"""Blocks that models are built of."""

from __future__ import annotations

from torch import Tensor, nn


class Residual(nn.Module):
    """Two 3×3 convolutions and a way around them: (n, before, h, w) → (n, out, h / stride, w / stride)."""

    def __init__(self, before: int, out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(before, out, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(),
            nn.Conv2d(out, out, 3, padding=1, bias=False),
            nn.BatchNorm2d(out),
        )
        self.around: nn.Module = nn.Identity()
        if stride != 1 or before != out:
            self.around = nn.Sequential(nn.Conv2d(before, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(self.body(x) + self.around(x))
