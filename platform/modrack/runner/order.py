"""In which order rows come, and how they are cut into steps: pure functions of (seed, epoch)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
import torch
from torch import Tensor

from modrack.runner.noise import mix
from modrack_registry.errors import UserError

# Steps whose rows are sorted by length together: enough for little padding, few enough to stay random.
POOL = 64
# Widths are multiples of the first number, up to the second.
_UNITS = ((8, 128), (32, 512), (128, 2048))
_FINE_UNITS = ((2, 32), (4, 64))


@dataclass(frozen=True)
class Order:
    """`rows` (n,) int64 in the order of the epoch; step i trains on `rows[bounds[i]:bounds[i + 1]]`."""

    rows: Tensor
    bounds: list[int]

    @property
    def steps(self) -> int:
        return len(self.bounds) - 1


def count_steps(rows: int, batch_size: int) -> int:
    """Steps an epoch; the last one may have fewer rows."""
    return -(-rows // batch_size)


def sequential(rows: int, batch_size: int, lengths: Tensor | None = None) -> Order:
    """Every row once, for evaluation: by length where there are lengths, since order does not matter there."""
    order = torch.arange(rows) if lengths is None else torch.argsort(lengths, stable=True)
    return Order(order, _bounds(rows, batch_size))


def shuffled(rows: int, batch_size: int, seed: int, epoch: int, lengths: Tensor | None = None) -> Order:
    """The order of an epoch. With `lengths` (n,), rows of like length share a step, and the steps are shuffled."""
    generator = torch.Generator().manual_seed(mix(seed, epoch))
    order = torch.randperm(rows, generator=generator)
    bounds = _bounds(rows, batch_size)
    if lengths is None:
        return Order(order, bounds)
    pools = [pool[torch.argsort(lengths[pool], stable=True)] for pool in order.split(POOL * batch_size)]
    order = torch.cat(pools)
    steps = list(order.split(batch_size))
    # The short last step stays last, so that every epoch is cut alike.
    full = len(steps) if rows % batch_size == 0 else len(steps) - 1
    places = torch.randperm(full, generator=generator).tolist()
    return Order(torch.cat([steps[place] for place in places] + steps[full:]), bounds)


def token_bounds(lengths: Tensor, tokens: int) -> list[int]:
    """Where steps begin and end in the rows sorted by `lengths` (n,): each as long as rows × width fit into `tokens`.

    Widths are the padded ones. A function of the lengths alone, so every epoch has the same number of steps.
    """
    sizes = torch.sort(lengths)[0].tolist()
    longest, rows = max(1, sizes[-1]), len(sizes)
    bounds = [0]
    while bounds[-1] < rows:
        first, last = bounds[-1], rows
        # The largest `last` that fits lies between: padded sizes never fall as rows are added.
        low = first + 1
        while low < last:
            middle = (low + last + 1) // 2
            if (middle - first) * round_up(max(1, sizes[middle - 1]), longest) <= tokens:
                low = middle
            else:
                last = middle - 1
        bounds.append(low)
    return bounds


def budgeted(lengths: Tensor, bounds: list[int], seed: int, epoch: int) -> Order:
    """The order of an epoch whose steps are those of `token_bounds`, shuffled; rows of one length change places."""
    generator = torch.Generator().manual_seed(mix(seed, epoch))
    order = torch.randperm(len(lengths), generator=generator)
    order = order[torch.argsort(lengths[order], stable=True)]
    steps = [order[first:last] for first, last in pairwise(bounds)]
    places = torch.randperm(len(steps), generator=generator).tolist()
    steps = [steps[place] for place in places]
    return Order(torch.cat(steps), [0, *accumulate(len(step) for step in steps)])


def padded_width(lengths: Tensor) -> int:
    """The width that the longest row of `lengths` is padded to."""
    longest = max(1, int(lengths.max()))
    return round_up(longest, longest)


def arranged(chosen: object, rows: int, batch_size: int) -> Order:
    """The order that somebody chose: as many of the numbers 0 to `rows` - 1 as there are rows. Raises UserError."""
    order = torch.as_tensor(chosen).to("cpu", torch.int64)
    if order.shape != (rows,) or (rows and not 0 <= int(order.min()) <= int(order.max()) < rows):
        raise UserError(
            f"An order of {rows} rows was asked for, and {tuple(order.shape)} numbers came"
            f"{f' from {int(order.min())} to {int(order.max())}' if order.numel() else ''}.",
            f"Give {rows} row numbers from 0 to {rows - 1}; a row may come twice.",
        )
    return Order(order, _bounds(rows, batch_size))


def round_up(width: int, longest: int, fine: bool = False) -> int:
    """The padded width of a batch: one of few values, so that compiled code and graphs see few shapes.

    With `fine` short ones are a few more, for a CPU: it computes what is padded as slowly as what is not, and an
    accelerator multiplies by eights. Texts of 27 tokens on average have then 5% of padding, and else 15%.
    """
    for unit, below in _FINE_UNITS + _UNITS if fine else _UNITS:
        if width <= below:
            return min(-(-width // unit) * unit, longest)
    return min(-(-width // 512) * 512, longest)


def _bounds(rows: int, batch_size: int) -> list[int]:
    return [*range(0, rows, batch_size), rows] if rows else [0]


def lengths_of(offsets: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Tensor:
    """Row lengths of a ragged column, (n,) int64."""
    return torch.from_numpy(np.diff(offsets))
