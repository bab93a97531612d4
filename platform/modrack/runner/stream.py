"""Feeds a split that is read as it comes, and may have no end: encoded chunk by chunk, never held whole."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import torch

from modrack.data.rows import chunks
from modrack.runner.ahead import ahead
from modrack.runner.encode import Encoded, encode_rows, pack
from modrack.runner.feeder import Feeder
from modrack.seam import Batch, Task
from modrack_registry.errors import RunFailed, UserError

# Steps that are encoded, shuffled and bucketed together.
CHUNK_STEPS = 32
# Rows among which the stream is shuffled.
SHUFFLE_ROWS = 10_000


class StreamFeeder:
    """The interface of Feeder over an iterable split. One epoch is the whole run of `steps`; the stream starts
    again where it ends. The order is a pure function of the seed: resuming reads up to the place and drops it.
    """

    def __init__(
        self,
        split: Any,
        task: Task,
        *,
        batch_size: int,
        steps: int,
        device: torch.device,
        seed: int = 0,
        batch_tokens: int | None = None,
    ) -> None:
        self.split, self.task = split, task
        self.batch_size, self.steps, self.device, self.seed = batch_size, steps, device, seed
        self.size: int | None = None
        self.batch_tokens = batch_tokens
        self.tokens = [0, 0]

    def arrange(self, choose: Any) -> None:
        """Raises UserError: rows that come as a stream cannot be put into an order."""
        raise UserError("A streamed dataset comes in its own order.", "Leave the part out that wants to choose rows.")

    def epoch(
        self, epoch: int, *, start: int = 0, accumulate: int = 1, share: tuple[int, int] = (0, 1)
    ) -> Iterator[list[Batch]]:
        """Steps from `start` on, for ever. Of several processes each reads the whole stream, and takes its share."""
        steps = self._steps(accumulate, share)
        if start:
            # What was learned from before is read again, and not counted again.
            before = list(self.tokens)
            next(itertools.islice(steps, start - 1, None))
            self.tokens[:] = before
        return steps

    def sample(self) -> Encoded:
        """The first rows, encoded: what the plan looks at."""
        return pack(encode_rows(next(chunks(self.split, self.batch_size)), self.task), self.task)

    def _steps(self, accumulate: int, share: tuple[int, int]) -> Iterator[list[Batch]]:
        # One chunk is read and encoded while the one before is learned from.
        for number, encoded in ahead(self._encoded(), 1):
            feeder = Feeder(
                encoded,
                batch_size=self.batch_size,
                device=self.device,
                resident=False,
                seed=self.seed,
                batch_tokens=self.batch_tokens,
            )
            # They count together, step by step.
            feeder.tokens = self.tokens
            yield from feeder.epoch(number, accumulate=accumulate, share=share)

    def _encoded(self) -> Iterator[tuple[int, Encoded]]:
        """Chunks of the stream, for ever, each with a number of its own."""
        for turn in itertools.count():
            shuffled = self.split.shuffle(seed=self.seed + turn, buffer_size=SHUFFLE_ROWS)
            empty = True
            for number, rows in enumerate(chunks(shuffled, CHUNK_STEPS * self.batch_size)):
                empty = False
                yield turn * 100_003 + number, pack(encode_rows(rows, self.task), self.task)
            if empty:
                raise RunFailed("The stream of training rows is empty.")
