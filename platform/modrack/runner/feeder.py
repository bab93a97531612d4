"""Turns an encoded split into batches: one gather a block of steps, no worker processes.

Fixed-shape columns are tensors, on the device where they fit; ragged ones are flat values and offsets on
the host, padded to a bounded set of widths. Batches are cut from blocks gathered at once, so that a step
costs a slice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from modrack.runner.ahead import on_side_stream
from modrack.runner.columns import RaggedColumn, as_tensor, moved
from modrack.runner.encode import Encoded
from modrack.runner.order import Order, arranged, budgeted, count_steps, sequential, shuffled, token_bounds
from modrack.seam import Batch, Ragged
from modrack_registry.errors import UserError

# What one gather may hold. Larger ones save little, and cost memory.
BLOCK_BYTES = 8 << 20


class Feeder:
    """Batches of one split, of `batch_size` rows, or for training of as many as `batch_tokens` padded entries hold.

    `steps` an epoch; `tokens` counts (real, padded) entries of ragged columns fed so far."""

    def __init__(
        self,
        encoded: Encoded,
        *,
        batch_size: int,
        device: torch.device,
        resident: bool,
        seed: int = 0,
        batch_tokens: int | None = None,
    ) -> None:
        self.size = encoded.size
        self.batch_size = batch_size
        self.device = device
        self.seed = seed
        self.tokens = [0, 0]
        self._choose: Callable[[int], Any] | None = None
        place = device if resident else torch.device("cpu")
        self._fixed: dict[str, Tensor] = {}
        self._ragged: dict[str, RaggedColumn] = {}
        for name, column in encoded.columns.items():
            if isinstance(column, Ragged):
                self._ragged[name] = RaggedColumn(column, place)
            else:
                self._fixed[name] = as_tensor(column).to(place)
        self._place = place
        self._lengths = next(iter(self._ragged.values())).lengths if self._ragged else None
        row_bytes = sum(column[0].nbytes for column in self._fixed.values() if len(column))
        self._bounds: list[int] | None = None
        if batch_tokens is not None and self._lengths is not None:
            self._bounds = token_bounds(self._lengths, batch_tokens)
            batch_size = max(last - first for first, last in pairwise(self._bounds))
        self.steps = len(self._bounds) - 1 if self._bounds else count_steps(self.size, batch_size)
        self._block = max(1, min(64, BLOCK_BYTES // max(1, row_bytes * batch_size)))

    def arrange(self, choose: Callable[[int], Any]) -> None:
        """Train on the rows that `choose(epoch)` names, in that order, instead of shuffling all.

        It gives as many row numbers as the split has rows (repeats are welcome), and the same ones whenever it is
        asked: a run that is resumed asks again. Raises UserError where steps are cut by tokens.
        """
        if self._bounds is not None:
            raise UserError(
                "batch_tokens: another part chooses the rows of an epoch, which then cannot be cut by their lengths.",
                "Say batch_size instead, or leave that part out.",
            )
        self._choose = choose

    def order(self, epoch: int, training: bool = True) -> Order:
        """The order of `epoch`; the same for the same seed and epoch, whatever came before."""
        if training and self._bounds is not None and self._lengths is not None:
            return budgeted(self._lengths, self._bounds, self.seed, epoch)
        if training and self._choose is not None:
            return arranged(self._choose(epoch), self.size, self.batch_size)
        if training:
            return shuffled(self.size, self.batch_size, self.seed, epoch, self._lengths)
        return sequential(self.size, self.batch_size, self._lengths)

    def epoch(
        self, epoch: int, *, start: int = 0, accumulate: int = 1, share: tuple[int, int] = (0, 1)
    ) -> Iterator[list[Batch]]:
        """The steps of `epoch` from step `start` on, each as a list of micro-batches.

        `share` is (number, of how many): this process's share of every step's rows. A share always has
        `accumulate` micro-batches, so that processes stay in step; one without rows is a filler.
        """
        steps = self._cut(self.order(epoch), start, accumulate, (self.seed, epoch), True, share)
        beside = self.device.type == "cuda" and self._place.type == "cpu"
        return on_side_stream(steps, self.device) if beside else steps

    def once(self, share: tuple[int, int] = (0, 1)) -> Iterator[Batch]:
        """Every row once, in a fixed order, for evaluation; of several processes each gets its share of each batch."""
        cut = self._cut(self.order(0, training=False), 0, 1, (self.seed, -1), False, share)
        return (batches[0] for batches in cut)

    def _cut(
        self,
        order: Order,
        start: int,
        accumulate: int,
        key: tuple[int, ...],
        training: bool,
        share: tuple[int, int] = (0, 1),
    ) -> Iterator[list[Batch]]:
        bounds, everywhere = order.bounds, moved(order.rows, self._place)
        for first in range(start, order.steps, self._block):
            last = min(first + self._block, order.steps)
            low = bounds[first]
            rows, placed = order.rows[low : bounds[last]], everywhere[low : bounds[last]]
            block = {name: moved(column.index_select(0, placed), self.device) for name, column in self._fixed.items()}
            for step in range(first, last):
                begin, end = bounds[step], bounds[step + 1]
                batches = []
                for left, right in cut_step(begin, end, accumulate, share):
                    batch = self._batch(block, rows, placed, low, left, max(right, left + 1), key, training)
                    batch.whole, batch.filler = end - begin, right == left
                    batches.append(batch)
                yield batches

    def _batch(
        self,
        block: dict[str, Tensor],
        rows: Tensor,
        placed: Tensor,
        low: int,
        begin: int,
        end: int,
        key: tuple[int, ...],
        training: bool,
    ) -> Batch:
        here = slice(begin - low, end - low)
        columns: dict[str, Any] = {name: column[here] for name, column in block.items()}
        lengths, real = {}, {}
        for name, column in self._ragged.items():
            padded, lengths[name], mask = column.pick(rows[here], placed[here])
            self.tokens[0] += int(lengths[name].sum())
            self.tokens[1] += padded.shape[0] * padded.shape[1]
            columns[name], real[name] = moved(padded, self.device), moved(mask, self.device)
        return Batch(
            columns,
            size=end - begin,
            rows=rows[here],
            lengths=lengths,
            real=real,
            training=training,
            place=begin,
            key=key,
        )


def cut_step(begin: int, end: int, accumulate: int, share: tuple[int, int] = (0, 1)) -> list[tuple[int, int]]:
    """One process's micro-batches of the step with the places [begin, end), of like size.

    An empty one stands at the step's first place: (begin, begin). Alone, a process leaves empty ones out.
    """
    number, of = share
    size = -(-(end - begin) // (accumulate * of))
    lefts = [begin + size * piece for piece in range(number * accumulate, (number + 1) * accumulate)]
    pieces = [(left, min(left + size, end)) if left < end else (begin, begin) for left in lefts]
    return pieces if of > 1 else [piece for piece in pieces if piece[0] < piece[1]]
