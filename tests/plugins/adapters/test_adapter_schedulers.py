"""torch/* among the schedulers: torch's own, stepped with the optimizer."""

from __future__ import annotations

import inspect
import warnings

import pytest
import torch
from torch.optim import lr_scheduler

from modrack_registry.errors import UserError

STEPS = 12
# name, torch's class, what is said, what torch is told.
CASES = [
    ("step-lr", lr_scheduler.StepLR, {"step_size": 4}, {"step_size": 4}),
    ("multi-step-lr", lr_scheduler.MultiStepLR, {"milestones": "3,7"}, {"milestones": [3, 7]}),
    ("constant-lr", lr_scheduler.ConstantLR, {}, {}),
    ("linear-lr", lr_scheduler.LinearLR, {"total_iters": 8}, {"total_iters": 8}),
    ("exponential-lr", lr_scheduler.ExponentialLR, {"gamma": "0.7"}, {"gamma": 0.7}),
    ("polynomial-lr", lr_scheduler.PolynomialLR, {"power": 2.0}, {"power": 2.0}),
    ("cosine-annealing-lr", lr_scheduler.CosineAnnealingLR, {}, {"T_max": STEPS}),
    ("cosine-annealing-lr", lr_scheduler.CosineAnnealingLR, {"T_max": 5, "eta_min": 0.1}, {"T_max": 5, "eta_min": 0.1}),
    ("cosine-annealing-warm-restarts", lr_scheduler.CosineAnnealingWarmRestarts, {"T_0": 5}, {"T_0": 5}),
    ("one-cycle-lr", lr_scheduler.OneCycleLR, {}, {"max_lr": 0.5, "total_steps": STEPS}),
    ("one-cycle-lr", lr_scheduler.OneCycleLR, {"max_lr": 2.0}, {"max_lr": 2.0, "total_steps": STEPS}),
    (
        "cyclic-lr",
        lr_scheduler.CyclicLR,
        {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 3},
        {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 3},
    ),
]


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def optimizer():
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5, momentum=0.9)


def walk(moved, schedule, steps=STEPS):
    rates = []
    for _ in range(steps):
        rates.append((moved.param_groups[0]["lr"], moved.param_groups[0]["momentum"]))
        moved.step()
        schedule.step()
    return rates


@pytest.mark.parametrize(
    ("name", "kind", "said", "told"), CASES, ids=lambda each: each if isinstance(each, str) else ""
)
def test_it_steps_as_torchs_own_does(make, name, kind, said, told):
    ours, theirs = optimizer(), optimizer()
    mine = make("scheduler", f"torch/{name}", {"optimizer": ours, "steps": STEPS}, **said)
    assert walk(ours, mine) == walk(theirs, kind(theirs, **told))


def test_every_scheduler_is_offered_or_refused_with_a_reason(registry):
    offered = {member.name.partition("/")[2] for member in registry.listing("scheduler", "torch/*")}
    assert {name for name, *_ in CASES} <= offered
    refused = registry.families.of("scheduler")[0].family.refused
    known = {name for name in lr_scheduler.__all__ if inspect.isclass(getattr(lr_scheduler, name))} - {"LRScheduler"}
    assert len(offered) + len(refused) == len(known)
    for name in refused:
        with pytest.raises(UserError, match=f"torch/{name}: it "):
            registry.find("scheduler", f"torch/{name}")


def test_a_cycle_of_momentum_needs_one(make):
    plain = torch.optim.Adagrad([torch.zeros(1, requires_grad=True)])
    with pytest.raises(UserError, match="scheduler torch/one-cycle-lr: optimizer must support momentum"):
        make("scheduler", "torch/one-cycle-lr", {"optimizer": plain, "steps": STEPS})


def test_they_conform(conforms):
    assert conforms("torch/*lr", "torch/cosine-annealing-warm-restarts") >= 10 * 7
