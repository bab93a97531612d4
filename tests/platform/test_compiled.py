"""What is compiled of a model: the layers that repeat, or all of it; and that it learns the same."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import modrack
from modrack.runner.compiled import compile_part
from modrack.runner.decision import Decision
from modrack.runner.plan import Plan


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        return x + self.net(x)


def plan(**values: Any) -> Plan:
    return Plan([Decision(name, value, "made up") for name, value in values.items()])


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    monkeypatch.setattr(nn.Module, "compile", lambda self, **options: found.append((type(self).__name__, options)))
    return found


def test_repeated_layers_are_compiled_one_by_one(compiled: list[tuple[str, Any]]) -> None:
    deep = nn.Sequential(nn.Linear(4, 4), nn.ModuleList([Block(), Block(), Block()]))
    compile_part(deep, plan(dynamic=True, compile_mode="default"), asked=True)
    assert compiled == [("Block", {"dynamic": True, "mode": None})] * 3


def test_a_flat_model_is_compiled_whole(compiled: list[tuple[str, Any]]) -> None:
    flat = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    compile_part(flat, plan(dynamic=False, compile_mode="max-autotune"), asked=True)
    assert compiled == [("Sequential", {"dynamic": None, "mode": "max-autotune"})]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_run_learns_the_same_and_can_be_loaded(tmp_path: Path) -> None:
    words: dict[str, Any] = {"model": "cnn", "dataset": "digits", "model.width": 4, "model.hidden": 16, "steps": 20}
    plain, fast = (modrack.train(home=tmp_path, compile=compile, **words) for compile in (False, True))
    assert fast.metrics["train.loss"] == pytest.approx(plain.metrics["train.loss"], rel=1e-3)
    assert fast.plan["compile"]["reason"] == "asked for: the whole model"
    names = [name for name, _ in plain.load_model().named_parameters()]
    assert [name for name, _ in fast.load_model().named_parameters()] == names
    assert torch._dynamo.config.suppress_errors is False
