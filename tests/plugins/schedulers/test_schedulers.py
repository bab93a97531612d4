"""The built-in schedules follow their formulas, and torch's where torch has the same."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
from torch.optim import lr_scheduler

from modrack_registry.registry import load_registry

REGISTRY = load_registry()
RATE = 0.4


def optimizer(*rates):
    return torch.optim.SGD([{"params": [torch.zeros(1, requires_grad=True)], "lr": rate} for rate in rates or (RATE,)])


def make(name, moved, steps, **options):
    component = REGISTRY.find("scheduler", name)
    defaults = {each: option.default for each, option in component.options.items()}
    return component.make({"optimizer": moved, "steps": steps}, defaults | options)


def rates(moved, schedule, steps):
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(steps):
            found.append(moved.param_groups[0]["lr"])
            moved.step()
            schedule.step()
    return found


def ours(name, steps, **options):
    moved = optimizer()
    return rates(moved, make(name, moved, steps, **options), steps)


@pytest.mark.parametrize("steps", [1, 2, 7, 30])
@pytest.mark.parametrize(
    ("name", "options", "own"),
    [
        ("constant", {}, lambda moved, steps: lr_scheduler.LambdaLR(moved, lambda step: 1.0)),
        ("linear", {}, lambda moved, steps: lr_scheduler.LinearLR(moved, 1.0, 0.0, steps)),
        ("linear", {"floor": 0.2}, lambda moved, steps: lr_scheduler.LinearLR(moved, 1.0, 0.2, steps)),
        ("cosine", {}, lambda moved, steps: lr_scheduler.CosineAnnealingLR(moved, steps)),
        ("cosine", {"floor": 0.1}, lambda moved, steps: lr_scheduler.CosineAnnealingLR(moved, steps, RATE * 0.1)),
        ("polynomial", {}, lambda moved, steps: lr_scheduler.PolynomialLR(moved, steps, 2.0)),
        ("polynomial", {"power": 0.5}, lambda moved, steps: lr_scheduler.PolynomialLR(moved, steps, 0.5)),
        ("one-cycle", {"warmup": 0.0}, lambda moved, steps: lr_scheduler.LinearLR(moved, 1.0, 0.0, steps)),
    ],
)
def test_as_torchs_own(name, options, own, steps):
    moved = optimizer()
    theirs = rates(moved, own(moved, steps), steps)
    assert ours(name, steps, **options) == pytest.approx(theirs, abs=1e-9)


def test_stairs_are_torchs_own_at_equal_distances():
    moved = optimizer()
    theirs = rates(moved, lr_scheduler.MultiStepLR(moved, [4, 8], 0.1), 12)
    assert ours("step", 12) == pytest.approx(theirs)
    moved = optimizer()
    theirs = rates(moved, lr_scheduler.StepLR(moved, 5, 0.5), 20)
    assert ours("step", 20, drops=3, factor=0.5) == pytest.approx(theirs)


@pytest.mark.parametrize("name", ["constant", "linear", "cosine", "polynomial", "step", "one-cycle", "plateau"])
@pytest.mark.parametrize(("warmup", "led"), [(4.0, 4), (0.2, 4), (1.0, 1)])
def test_the_warm_up_rises_in_a_line_and_its_first_step_moves(name, warmup, led):
    found = ours(name, 20, warmup=warmup)
    assert found[:led] == pytest.approx([RATE * (step + 1) / (led + 1) for step in range(led)])
    assert found[led] == pytest.approx(RATE)
    assert max(found) == pytest.approx(RATE)


def test_what_follows_the_warm_up_is_the_schedule_over_what_is_left():
    assert ours("cosine", 20, warmup=4.0)[4:] == pytest.approx(ours("cosine", 16))
    assert ours("linear", 20, warmup=0.5)[10:] == pytest.approx(ours("linear", 10))


def test_one_cycle_by_hand():
    found = ours("one-cycle", 8)  # Two steps up, then six down.
    assert found == pytest.approx([RATE / 3, 2 * RATE / 3, *(RATE * (1 - step / 6) for step in range(6))])


def test_cosine_by_hand():
    found = ours("cosine", 5, floor=0.3)
    assert found == pytest.approx([RATE * (0.3 + 0.7 * (1 + math.cos(math.pi * step / 5)) / 2) for step in range(5)])


def test_a_warm_up_longer_than_the_run_ends_with_it():
    found = ours("cosine", 3, warmup=10.0)
    assert found == pytest.approx([RATE * step / 4 for step in (1, 2, 3)])


def test_every_group_keeps_its_own_rate():
    moved = optimizer(0.4, 0.1)
    schedule = make("linear", moved, 4)
    schedule.step()
    assert [group["lr"] for group in moved.param_groups] == pytest.approx([0.3, 0.075])


@pytest.mark.parametrize("patience", [0, 1, 3])
def test_plateau_is_torchs_own(patience):
    values = [3.0, 2.0, 2.5, 2.0, 2.1, 1.9, 1.9, 2.0, 2.0, 2.0, 2.0, 1.0, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5]
    mine, theirs = optimizer(), optimizer()
    schedule = make("plateau", mine, 1000, patience=patience, factor=0.5, floor=0.1)
    own = lr_scheduler.ReduceLROnPlateau(theirs, factor=0.5, patience=patience, threshold=0.0, min_lr=RATE * 0.1)
    for value in values:
        schedule.step()
        schedule.evaluated(value, "lower")
        own.step(value)
        assert mine.param_groups[0]["lr"] == pytest.approx(theirs.param_groups[0]["lr"])
    assert mine.param_groups[0]["lr"] < RATE


def test_plateau_knows_the_good_direction_and_its_state():
    moved = optimizer()
    schedule = make("plateau", moved, 100, patience=0, factor=0.5)
    for value in (0.5, 0.6, 0.7, 0.65):
        schedule.evaluated(value, "higher")
    assert moved.param_groups[0]["lr"] == pytest.approx(RATE / 2)
    again = optimizer()
    other = make("plateau", again, 100, patience=0, factor=0.5)
    other.load_state_dict(schedule.state_dict())
    assert again.param_groups[0]["lr"] == pytest.approx(RATE / 2)
    for each in (schedule, other):
        each.evaluated(0.66, "higher")
    assert again.param_groups[0]["lr"] == moved.param_groups[0]["lr"] == pytest.approx(RATE / 4)


def test_a_schedule_goes_on_from_its_state():
    whole = ours("cosine", 12, warmup=3.0)
    moved = optimizer()
    schedule = make("cosine", moved, 12, warmup=3.0)
    rates(moved, schedule, 5)
    again = optimizer()
    other = make("cosine", again, 12, warmup=3.0)
    other.load_state_dict(schedule.state_dict())
    assert rates(again, other, 7) == whole[5:]
