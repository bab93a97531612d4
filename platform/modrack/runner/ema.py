"""An exponential moving average of the weights, which evaluation and checkpoints use in place of the last ones.

Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J. Control Optim. 30 (1992).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn


class Ema:
    """`average` = decay * `average` + (1 - decay) * weights, after every step."""

    def __init__(self, parameters: list[nn.Parameter], decay: float) -> None:
        self.decay = decay
        self._parameters = parameters
        self._average = [parameter.detach().clone() for parameter in parameters]

    @torch.no_grad()
    def update(self) -> None:
        torch._foreach_lerp_(self._average, [p.detach() for p in self._parameters], 1 - self.decay)

    @contextlib.contextmanager
    def swapped(self) -> Iterator[None]:
        """The averages in the weights' place, and back; nothing is copied."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def adopt(self) -> None:
        """Leave the averages in the weights' place for good."""
        self._swap()

    def raw(self) -> list[Tensor]:
        """What training goes on from, asked for inside `swapped`: the weights that are not averaged."""
        return self._average

    @torch.no_grad()
    def load(self, raw: list[Tensor]) -> None:
        """After the averages were loaded into the weights' place: keep them, and put `raw` there."""
        for parameter, average, weight in zip(self._parameters, self._average, raw, strict=True):
            average.copy_(parameter)
            parameter.copy_(weight)

    def _swap(self) -> None:
        for index, parameter in enumerate(self._parameters):
            parameter.data, self._average[index] = self._average[index], parameter.data
