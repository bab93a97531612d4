"""Every row once, in an order that depends on seed and epoch alone, with little padding."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from modrack.runner.encode import Encoded
from modrack.runner.feeder import Feeder
from modrack.runner.noise import mix, normal, uniform
from modrack.runner.order import round_up, sequential, shuffled
from modrack.seam import Ragged
from modrack_registry.errors import UserError

CPU = torch.device("cpu")
ROWS = 1003


def texts(rows: int = ROWS) -> Encoded:
    generator = np.random.default_rng(0)
    lengths = np.minimum(generator.geometric(0.05, rows), 120)
    ids = Ragged.of([np.full(length, row % 7 + 1) for row, length in enumerate(lengths)], pad=0, dtype=np.int32)
    return Encoded({"ids": ids, "row": np.arange(rows)}, rows)


@pytest.mark.parametrize("batch_size", [1, 16, 64, 1003, 5000])
@pytest.mark.parametrize("accumulate", [1, 3])
def test_every_row_comes_once_an_epoch(batch_size: int, accumulate: int) -> None:
    feeder = Feeder(texts(), batch_size=batch_size, device=CPU, resident=True)
    steps = list(feeder.epoch(2, accumulate=accumulate))
    assert len(steps) == feeder.steps
    rows = [row for batches in steps for batch in batches for row in batch["row"].tolist()]
    assert sorted(rows) == list(range(ROWS))
    assert rows == [row for batches in steps for batch in batches for row in batch.rows.tolist()]
    assert [sum(batch.size for batch in batches) for batches in steps[:-1]] == [batch_size] * (len(steps) - 1)


def test_batches_hold_their_own_rows_and_pad_the_rest() -> None:
    encoded = texts()
    ids = encoded.columns["ids"]
    assert isinstance(ids, Ragged)
    feeder = Feeder(encoded, batch_size=32, device=CPU, resident=False)
    for (batch,) in feeder.epoch(0):
        mask = batch.mask("ids")
        for place, row in enumerate(batch["row"].tolist()):
            own = ids.values[ids.offsets[row] : ids.offsets[row + 1]]
            assert batch["ids"][place][mask[place]].tolist() == own.tolist()
        assert (batch["ids"][~mask] == 0).all()
        assert batch.padded("ids") == (not mask.all())


def test_rows_of_nothing_are_all_padding() -> None:
    ids = Ragged.of([np.zeros(0, np.int32)] * 3, pad=5, dtype=np.int32)
    feeder = Feeder(Encoded({"ids": ids}, 3), batch_size=2, device=CPU, resident=True)
    batches = list(feeder.once())
    assert [batch["ids"].tolist() for batch in batches] == [[[5], [5]], [[5]]]
    assert [batch.lengths["ids"].tolist() for batch in batches] == [[0, 0], [0]]


def test_an_epoch_can_start_anywhere() -> None:
    whole = [batches[0].rows.tolist() for batches in Feeder(texts(), batch_size=32, device=CPU, resident=True).epoch(3)]
    late = Feeder(texts(), batch_size=32, device=CPU, resident=True).epoch(3, start=17)
    assert [batches[0].rows.tolist() for batches in late] == whole[17:]


def test_order_depends_on_seed_and_epoch_and_nothing_else() -> None:
    lengths = torch.arange(500) % 40
    one = shuffled(500, 16, seed=1, epoch=2, lengths=lengths)
    torch.manual_seed(99)
    assert torch.equal(one.rows, shuffled(500, 16, seed=1, epoch=2, lengths=lengths).rows)
    assert not torch.equal(one.rows, shuffled(500, 16, seed=1, epoch=3, lengths=lengths).rows)
    assert not torch.equal(one.rows, shuffled(500, 16, seed=2, epoch=2, lengths=lengths).rows)


def test_order_is_the_same_in_another_process() -> None:
    code = "from modrack.runner.order import shuffled; print(shuffled(50, 8, seed=1, epoch=2).rows.tolist())"
    environment = os.environ | {"PYTHONHASHSEED": "77"}
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert there.stdout.strip() == str(shuffled(50, 8, seed=1, epoch=2).rows.tolist())


def test_buckets_waste_little_and_stay_random() -> None:
    feeder = Feeder(texts(), batch_size=16, device=CPU, resident=True)
    widths = [batches[0]["ids"].shape[1] for batches in feeder.epoch(0)]
    real, padded = feeder.tokens
    assert real / padded > 0.8
    assert widths != sorted(widths)
    assert len(set(widths)) <= 32


@pytest.mark.parametrize("tokens", [120, 512, 4096, 10**6])
def test_a_budget_of_tokens_bounds_every_step(tokens: int) -> None:
    feeder = Feeder(texts(), batch_size=7, device=CPU, resident=True, batch_tokens=tokens)
    epochs = [list(feeder.epoch(epoch, accumulate=2)) for epoch in (0, 1)]
    for steps in epochs:
        assert len(steps) == feeder.steps
        rows = [row for batches in steps for batch in batches for row in batch["row"].tolist()]
        assert sorted(rows) == list(range(ROWS))
        for batches in steps:
            assert batches[0].whole * max(batch["ids"].shape[1] for batch in batches) <= tokens
    # Each epoch in an order of its own, and steps not from short to long.
    firsts = [[batches[0].rows.tolist() for batches in steps] for steps in epochs]
    assert firsts[0] != firsts[1]
    again = Feeder(texts(), batch_size=7, device=CPU, resident=True, batch_tokens=tokens)
    late = [batches[0].rows.tolist() for batches in again.epoch(1, start=feeder.steps // 2, accumulate=2)]
    assert late == firsts[1][feeder.steps // 2 :]
    # It holds what could have been put in.
    if feeder.steps > 4:
        assert ROWS * 20 / feeder.steps > tokens / 2


def test_rows_that_are_chosen_are_not_cut_by_tokens() -> None:
    with pytest.raises(UserError, match="batch_tokens"):
        Feeder(texts(), batch_size=7, device=CPU, resident=True, batch_tokens=512).arrange(lambda epoch: range(ROWS))


def test_evaluation_sorts_by_length() -> None:
    lengths = torch.tensor([5, 1, 4, 1])
    assert sequential(4, 2, lengths).rows.tolist() == [1, 3, 2, 0]


@pytest.mark.parametrize(
    ("width", "longest", "expected", "fine"),
    [
        (1, 500, 8, 2),
        (9, 500, 16, 10),
        (33, 500, 40, 36),
        (65, 500, 72, 72),
        (130, 500, 160, 160),
        (130, 140, 140, 140),
    ],
)
def test_widths_are_few(width: int, longest: int, expected: int, fine: int) -> None:
    assert round_up(width, longest) == expected
    assert round_up(width, longest, fine=True) == fine


def test_noise_belongs_to_the_row_not_the_batch() -> None:
    whole = uniform((1, 2), 0, 100, (5,), CPU)
    pieces = torch.cat([uniform((1, 2), 0, 33, (5,), CPU), uniform((1, 2), 33, 67, (5,), CPU)])
    assert torch.equal(whole, pieces)
    assert not torch.equal(whole, uniform((1, 3), 0, 100, (5,), CPU))


def test_noise_is_distributed_as_it_says() -> None:
    flat = uniform((7,), 0, 20_000, (20,), CPU)
    assert 0 <= flat.min() < flat.max() < 1
    assert flat.mean().item() == pytest.approx(0.5, abs=0.003)
    assert flat.var().item() == pytest.approx(1 / 12, abs=0.001)
    bell = normal((7,), 0, 20_000, (20,), CPU)
    assert bell.mean().item() == pytest.approx(0, abs=0.01)
    assert bell.std().item() == pytest.approx(1, abs=0.01)
    correlation = torch.corrcoef(bell.T) - torch.eye(20)
    assert correlation.abs().max() < 0.04
    assert torch.corrcoef(bell[:20].repeat(1, 1)).fill_diagonal_(0).abs().mean() < 0.3
    neighbours = torch.stack([bell[:-1].flatten(), bell[1:].flatten()])
    assert torch.corrcoef(neighbours)[0, 1].abs() < 0.01


def test_mix_spreads_neighbouring_seeds() -> None:
    seeds = {mix(seed, epoch) for seed in range(50) for epoch in range(50)}
    assert len(seeds) == 2500
    assert all(0 <= seed < 2**63 for seed in seeds)
