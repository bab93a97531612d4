"""A run sets torch's process-wide settings for itself, and leaves them as it found them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import modrack
from modrack import native
from modrack.native.optimizer import FUNCTIONS, SOURCE
from modrack.runner.kernels import choose_kernels, kernels_kept
from modrack.runner.plan import Decision, Plan

FAST = Plan(
    [
        Decision(name, value, "made up")
        for name, value in {
            "threads": 1,
            "matmul": "onednn",
            "kernels": "native",
            "tf32": True,
            "deterministic": True,
        }.items()
    ]
)


def settings() -> list[Any]:
    backends: Any = torch.backends
    return [
        torch.get_num_threads(), backends.mkldnn.matmul.fp32_precision, backends.cuda.matmul.fp32_precision,
        backends.cudnn.conv.fp32_precision, backends.cudnn.rnn.fp32_precision, backends.cudnn.benchmark,
        torch.are_deterministic_algorithms_enabled(),
    ]  # fmt: skip


def test_all_that_a_plan_sets_is_put_back() -> None:
    before = settings()
    with kernels_kept():
        choose_kernels(FAST, torch.device("cuda"))
        assert settings() == [1, "bf16", "tf32", "tf32", "tf32", False, True]
    assert settings() == before
    assert native.library(SOURCE, FUNCTIONS) is None
    # Lightning asks this before it trains; it raises where a backend's own setting was left behind.
    assert torch.get_float32_matmul_precision() == "highest"


def test_without_tf32_nothing_is_computed_in_it() -> None:
    """torch's own default is TF32 for convolutions and recurrent layers."""
    plan = Plan(list(FAST.decisions))
    plan.decide("tf32", False, "made up")
    with kernels_kept():
        choose_kernels(plan, torch.device("cuda"))
        assert settings()[2:5] == ["ieee"] * 3


def test_training_from_python_leaves_no_setting_behind(tmp_path: Path) -> None:
    before = settings()
    torch.set_num_threads(2)
    try:
        modrack.train(home=tmp_path, model="cnn", dataset="digits", limit=64, epochs=1, threads=1)
        assert torch.get_num_threads() == 2
        with pytest.raises(modrack.RunFailed):
            modrack.train(home=tmp_path, threads=1, limit=64, epochs=1, **{"optimizer.lr": 1e30})
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before[0])
    assert settings() == before
