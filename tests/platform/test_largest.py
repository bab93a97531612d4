"""Whether the largest micro-batch fits: tried where memory ends, here by a model that has room for some rows only."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from modrack.configure.resolve import resolve
from modrack.runner.build import build
from modrack.runner.largest import largest_that_fits, try_largest
from modrack.runner.parts import Parts
from modrack_registry.errors import UserError
from modrack_registry.registry import load_registry

SMALL = {"model": "cnn", "dataset": "digits", "model.width": 4, "model.hidden": 16, "limit": 200, "threads": 1}


def test_pieces_double_until_they_fit() -> None:
    tried = []

    def attempt(rows: int) -> None:
        tried.append(rows)
        if rows > 10:
            raise torch.OutOfMemoryError("no room")

    assert largest_that_fits(1, 64, attempt) == 8
    assert tried == [64, 32, 16, 8]
    assert largest_that_fits(1, 1, attempt) == 1
    assert largest_that_fits(2, 12, lambda rows: attempt(99)) is None


class Tight(nn.Module):
    """Has memory for `most` rows at a time."""

    most = 16

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.BatchNorm1d(10))

    def forward(self, image: Any) -> Any:
        if len(image) > self.most:
            raise torch.OutOfMemoryError("no room")
        return self.net(image)


def tight(**values: Any) -> Any:
    made = build(resolve(load_registry(), values=SMALL | values))
    made.parts = Parts({"model": Tight()})
    return made


@pytest.mark.parametrize(("most", "pieces"), [(64, 1), (16, 4), (20, 4), (2, 32)])
def test_an_accelerator_is_tried_with_the_largest_batch(most: int, pieces: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(Tight, "most", most)
    made = tight(batch_size=64)
    means = made.parts.model.net[2].running_mean.clone()
    state = torch.get_rng_state()
    try_largest(made, made_rows(made), 64, 1)
    assert made.accumulate == pieces
    assert made.plan["micro_batch"] == 64 // pieces
    assert ("ran out of memory" in made.plan.as_dict()["micro_batch"]["reason"]) == (pieces > 1)
    # It left no trace.
    assert torch.equal(means, made.parts.model.net[2].running_mean)
    assert torch.equal(state, torch.get_rng_state())
    assert all(weight.grad is None for weight in made.parts.parameters())


def test_nothing_is_tried_where_there_is_room(monkeypatch: Any) -> None:
    monkeypatch.setattr(Tight, "most", 0)
    made = tight(batch_size=64)
    try_largest(made, made_rows(made), 64, 1 << 40)
    assert made.accumulate == 1


def test_not_even_one_row(monkeypatch: Any) -> None:
    monkeypatch.setattr(Tight, "most", 0)
    made = tight(batch_size=64)
    with pytest.raises(UserError, match="Not even one row"):
        try_largest(made, made_rows(made), 64, 1)


def made_rows(made: Any) -> Any:
    from modrack.runner.build import load_data
    from modrack.runner.encode import encode_split

    return encode_split(load_data(made.experiment)[1]["train"], made.task)
