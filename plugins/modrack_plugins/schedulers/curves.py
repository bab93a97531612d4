"""Schedules with a closed form: the learning rate is the optimizer's own times a function of the step.

Each warms up first: `warmup` below 1 is a share of the run's steps, from 1 on a number of steps.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt, Le

import modrack

if TYPE_CHECKING:
    from torch.optim import Optimizer

Warmup = Annotated[float, Ge(0), "steps that lead up to the full learning rate; below 1, their share of the run"]
Floor = Annotated[float, Ge(0), Le(1), "share of the learning rate that is left at the end"]


@modrack.scheduler
def constant(optimizer: Optimizer, steps: int, *, warmup: Warmup = 0.0) -> Any:
    """The full learning rate throughout."""
    from modrack_plugins.schedulers.curve import Curve

    return Curve(optimizer, steps, warmup, lambda done: 1.0)


@modrack.scheduler
def linear(optimizer: Optimizer, steps: int, *, warmup: Warmup = 0.0, floor: Floor = 0.0) -> Any:
    """Down in a straight line."""
    from modrack_plugins.schedulers.curve import Curve

    return Curve(optimizer, steps, warmup, lambda done: 1 - (1 - floor) * done)


@modrack.scheduler
def cosine(optimizer: Optimizer, steps: int, *, warmup: Warmup = 0.0, floor: Floor = 0.0) -> Any:
    """Down along half a cosine (Loshchilov and Hutter, ICLR 2017, arXiv 1608.03983)."""
    from modrack_plugins.schedulers.curve import Curve

    return Curve(optimizer, steps, warmup, lambda done: floor + (1 - floor) * (1 + math.cos(math.pi * done)) / 2)


@modrack.scheduler
def polynomial(
    optimizer: Optimizer,
    steps: int,
    *,
    power: Annotated[float, Gt(0), "1 is a straight line"] = 2.0,
    warmup: Warmup = 0.0,
    floor: Floor = 0.0,
) -> Any:
    """Down along a power of what is left."""
    from modrack_plugins.schedulers.curve import Curve

    return Curve(optimizer, steps, warmup, lambda done: floor + (1 - floor) * (1 - done) ** power)


@modrack.scheduler
def step(
    optimizer: Optimizer,
    steps: int,
    *,
    drops: Annotated[int, Gt(0), "how often it falls, at equal distances"] = 2,
    factor: Annotated[float, Gt(0), Le(1), "what it is multiplied by each time"] = 0.1,
    warmup: Warmup = 0.0,
) -> Any:
    """Down in stairs."""
    from modrack_plugins.schedulers.curve import Curve

    return Curve(optimizer, steps, warmup, lambda done: factor ** min(drops, int(done * (drops + 1))))


@modrack.scheduler
def one_cycle(optimizer: Optimizer, steps: int, *, warmup: Warmup = 0.25, floor: Floor = 0.0) -> Any:
    """Up in a straight line for a quarter of the run, then down in one, after Smith and Topin (arXiv 1708.07120).

    The optimizer's learning rate is the peak.
    """
    from modrack_plugins.schedulers.curve import Curve

    return Curve(optimizer, steps, warmup, lambda done: 1 - (1 - floor) * done)
