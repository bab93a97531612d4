"""An exponential moving average of the weights, which evaluation and checkpoints use in place of the last ones.

Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J. Control Optim. 30 (1992).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from modrack.runner.sharding import is_dtensor, local


class Ema:
    """`average` = decay * `average` + (1 - decay) * weights, after every step."""

    def __init__(self, parameters: list[nn.Parameter], decay: float) -> None:
        self.decay = decay
        self._parameters = parameters
        self._average = [parameter.detach().clone() for parameter in parameters]

    @torch.no_grad()
    def update(self) -> None:
        weights = [local(p.detach()) for p in self._parameters]
        torch._foreach_lerp_([local(average) for average in self._average], weights, 1 - self.decay)

    @contextlib.contextmanager
    def swapped(self) -> Iterator[None]:
        """The averages in the weights' place, and back; of weights that are not sharded nothing is copied."""
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
            local(average).copy_(local(parameter.detach()))
            local(parameter.detach()).copy_(local(weight))

    @torch.no_grad()
    def _swap(self) -> None:
        for index, parameter in enumerate(self._parameters):
            if is_dtensor(parameter):
                # Its storage is known elsewhere: what lies there must change.
                mine, average = local(parameter.detach()), local(self._average[index])
                kept = mine.clone()
                mine.copy_(average)
                average.copy_(kept)
            else:
                parameter.data, self._average[index] = self._average[index], parameter.data
