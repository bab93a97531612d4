"""A learning rate that is a function of the step, and so has one number of state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer


def warmup_steps(warmup: float, steps: int) -> int:
    """How many steps `warmup` means in a run of `steps`."""
    return min(steps, round(warmup * steps) if warmup < 1 else round(warmup))


class Curve:
    """`shape` maps the share of the run that is done after the warm-up, 0 to 1, to a share of the learning rate.

    The warm-up rises in a straight line, and its first step already moves: step i of w has the share (i + 1) / (w + 1).
    """

    def __init__(self, optimizer: Optimizer, steps: int, warmup: float, shape: Callable[[float], float]) -> None:
        self.optimizer, self.steps, self.shape = optimizer, steps, shape
        self.warmup = warmup_steps(warmup, steps)
        self.rates = [float(group["lr"]) for group in optimizer.param_groups]
        self.done = 0
        self._apply()

    def share(self, step: int) -> float:
        """The share of the learning rate in step `step`, counted from 0."""
        if step < self.warmup:
            return (step + 1) / (self.warmup + 1)
        return self.shape(min(1.0, (step - self.warmup) / max(1, self.steps - self.warmup)))

    def step(self) -> None:
        """After an optimizer step: the learning rate of the next one."""
        self.done += 1
        self._apply()

    def state_dict(self) -> dict[str, Any]:
        return {"done": self.done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.done = state["done"]
        self._apply()

    def _apply(self) -> None:
        share = self.share(self.done)
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * share
