"""Trials that keep nothing: where a step's time goes, and which learning rate to begin with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from modrack.configure.resolve import resolve
from modrack.runner.build import build
from modrack.runner.find_lr import HIGHEST, LOWEST, _read, find_lr
from modrack.runner.profile import profile
from modrack_registry.errors import UserError
from modrack_registry.registry import load_registry

SMALL = {"model": "cnn", "dataset": "digits", "model.width": 4, "model.hidden": 16, "limit": 200, "threads": 1}


def rig(**values: Any) -> Any:
    return build(resolve(load_registry(), values=SMALL | values))


def test_the_parts_of_a_step_are_all_of_it(tmp_path: Path) -> None:
    made = rig(accumulate=2, augmentation=["flip"])
    found = profile(made, tmp_path / "trace.json")
    assert set(found.seconds) == {"feeding", "preparing", "forward", "backward", "updating", "waiting"}
    assert all(seconds >= 0 for seconds in found.seconds.values())
    assert sum(found.seconds.values()) == pytest.approx(found.step, rel=0.2)
    assert found.slowest in found.words()[1]
    assert any("conv" in name for name, _ in found.operations)
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    # What was wrapped for timing is as it was.
    assert "step" not in vars(made.task)
    assert "_move" not in vars(made.update)


def test_a_slow_part_is_named() -> None:
    made = rig()
    plain = made.task.prepare

    def slow(batch: Any) -> Any:
        import time

        time.sleep(0.02)
        return plain(batch)

    type(made.task).prepare, before = lambda self, batch: slow(batch), type(made.task).prepare
    try:
        assert profile(made).slowest == "preparing"
    finally:
        type(made.task).prepare = before


def test_find_lr_finds_a_rate_that_learns() -> None:
    found = find_lr(rig(optimizer="sgd"))
    assert LOWEST < found.best < found.least <= HIGHEST
    assert 1e-4 < found.best < 0.5
    assert len(found.rates) == len(found.losses)
    torch.manual_seed(0)
    assert found.losses[0] > min(found.losses)


def test_what_never_falls_is_said() -> None:
    rates = [LOWEST * 1.2**step for step in range(50)]
    with pytest.raises(UserError, match="falls at none"):
        _read(rates, [1.0 + step / 100 for step in range(50)])
    with pytest.raises(UserError, match="gone after a few steps"):
        _read(rates[:3], [1.0, 5.0, 50.0])
