"""Rows of a stream as the loop sees them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from datasets import Dataset

from modrack.data.rows import Rows
from modrack.runner.stream import StreamFeeder
from modrack.seam import Ragged, Task

ROWS, LENGTH, BATCH = 400, 3, 4


class Letters(Task):
    """Three numbers a row, as a column of ragged ones."""

    def encode(self, rows: Rows) -> dict[str, Any]:
        return {"ids": Ragged.of([[ord(letter) for letter in text] for text in rows["text"]])}


def feeder() -> StreamFeeder:
    stream = Dataset.from_dict({"text": ["abc"] * ROWS}).to_iterable_dataset()
    task = Letters(None, None)  # type: ignore[arg-type]
    return StreamFeeder(stream, task, batch_size=BATCH, steps=100, device=torch.device("cpu"))


@pytest.mark.parametrize(("start", "steps"), [(0, 20), (0, 40), (39, 1), (33, 70)])
def test_tokens_are_counted_of_the_steps_that_were_fed(start: int, steps: int) -> None:
    fed = feeder()
    each = fed.epoch(0, start=start)
    for _ in range(steps):
        next(each)
    assert fed.tokens == [steps * BATCH * LENGTH] * 2
