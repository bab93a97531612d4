"""A learning rate to begin with: raise it step by step, and see where the loss falls fastest.

Leslie N. Smith, "Cyclical learning rates for training neural networks", WACV 2017, arXiv 1506.01186, section 3.3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from modrack.runner.rig import Rig
from modrack_registry.errors import UserError

LOWEST, HIGHEST, STEPS = 1e-7, 10.0, 100
# Share of the old value that the smoothed loss keeps.
SMOOTH = 0.9
# Beyond so many times its least value the loss has gone.
GONE = 4.0


@dataclass(frozen=True)
class Search:
    """`rates` tried, the smoothed `losses` there; `steepest` where the loss fell fastest, `least` where it was least.

    `best` is a tenth of `least`: at the least point itself the smoothed loss is about to turn.
    """

    rates: list[float]
    losses: list[float]
    steepest: float
    least: float

    @property
    def best(self) -> float:
        """The rate to begin with."""
        return self.least / 10


def find_lr(rig: Rig) -> Search:
    """Train `rig` for up to 100 steps with rates from 1e-7 to 10. It is spent afterwards: nothing of it is kept.

    Raises UserError where the loss never falls, or there is none.
    """
    update = rig.update
    update.schedulers = {}
    rates: list[float] = []
    losses: list[float] = []
    smoothed, step, epoch = 0.0, 0, 0
    while step < STEPS:
        for batches in rig.feeders["train"].epoch(epoch, accumulate=rig.accumulate):
            rate = LOWEST * (HIGHEST / LOWEST) ** (step / (STEPS - 1))
            for optimizer in update.optimizers.values():
                for group in optimizer.param_groups:
                    group["lr"] = rate
            update(step, batches)
            values, bad = update.take()
            loss = sum(value for name, value in values.items() if name == "loss" or name.endswith(".loss"))
            step += 1
            if bad is not None or not math.isfinite(loss):
                step = STEPS
            else:
                smoothed = SMOOTH * smoothed + (1 - SMOOTH) * loss
                rates.append(rate)
                losses.append(smoothed / (1 - SMOOTH ** len(rates)))  # the first values count too little otherwise
                if losses[-1] > GONE * min(losses):
                    step = STEPS
            if step >= STEPS:
                break
        epoch += 1
    return _read(rates, losses)


def _read(rates: list[float], losses: list[float]) -> Search:
    if len(rates) < 10:
        raise UserError("The loss was gone after a few steps of the smallest rates.", "Look at the data, or clip=1.")
    least = min(range(len(losses)), key=losses.__getitem__)
    # The fall over a few steps, so that the noise of one does not decide.
    falls = {place: losses[place] - losses[place - 5] for place in range(5, least + 1)}
    if not falls or min(falls.values()) >= 0:
        raise UserError("The loss falls at none of the rates from 1e-7 to 10.", "Is the model able to learn this?")
    steepest = min(falls, key=lambda place: falls[place])
    return Search(rates, losses, rates[steepest], rates[least])
