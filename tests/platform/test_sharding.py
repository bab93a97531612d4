"""Sharded weights learn what whole ones learn, by two real processes; what cannot be sharded says why."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from modrack.runner.resumption import layout_change
from modrack.runner.sharding import is_sharded, why_whole


def by_two(script: str, *words: str) -> str:
    """What a script beside this file prints, run by two processes."""
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    done = subprocess.run(
        [*start, str(Path(__file__).with_name(script)), *words],
        capture_output=True, text=True, timeout=280, env=environment | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_sharded_checkpoints_are_whole_or_not_there(tmp_path: Path) -> None:
    by_two("sharded_files.py", str(tmp_path))
    main, other = (json.loads((tmp_path / f"found-{rank}.json").read_text()) for rank in (0, 1))
    for found in (main, other):
        # Where one process cannot write, all know, and nothing stays.
        assert "No space left on device" in found["shards"]
        assert found["equal"] is True
        assert (found["step"], found["damage"]) == (3, None)
    assert main["rest"] == "No space left on device"
    assert other["rest"] == "Another process could not write the checkpoint."
    assert main["left"] == []
    # Running statistics are those of the main process, as without sharding.
    assert main["mean"][0] == main["mean"][1] == other["mean"][1] != other["mean"][0]
    assert (main["merged"], main["whole"]) == (None, True)
    shards = [file for file in main["files"] if file.startswith("sharded/state/shard-0000")]
    assert len(shards) > 2
    assert {file.split("-")[1] for file in shards} == {"00001", "00002"}
    assert sorted({*main["files"]} - {*shards}) == [
        "manifest.json", "model.safetensors", "small/model.safetensors", "state.json", "state.safetensors",
    ]  # fmt: skip


def test_sharded_steps_equal_whole_ones() -> None:
    """Unequal micro-batches, clipping, groups, frozen weights, schedules, averages, noise, two parts that learn in
    turn, weights that cannot be halved, layers computed twice, losses with derivatives; the processes order sets
    differently."""
    found = json.loads(by_two("sharded_steps.py"))
    assert len(found["worst"]) == 6
    for name, difference in found["worst"].items():
        # Put together in bf16, weights lose all but 8 bits on the way.
        assert difference < (0.1 if "bf16" in name else 1e-12), found["worst"]
    assert min(found["moved"].values()) > 0.5


def test_what_cannot_be_cut_says_why() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(1.0))

    one, other = nn.Linear(2, 2), nn.Linear(2, 2)
    assert why_whole(one, [one, other]) is None
    assert "the weight scale, a single number" in str(why_whole(Scaled(), []))
    other.weight = one.weight
    assert why_whole(one, [one, other]) == "shares the weight weight with another part"


def test_asking_whether_a_module_is_sharded_imports_nothing() -> None:
    code = (
        "import sys; from torch import nn; from modrack.runner.sharding import is_sharded\n"
        "assert not is_sharded(nn.Linear(1, 1)); print('torch.distributed.fsdp' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert not is_sharded(nn.Linear(1, 1))


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ((2, "ddp"), (2, "ddp"), None),
        ((2, "fsdp"), (1, "none"), "was trained by 2 processes (fsdp) and goes on with 1 process:"),
        ((2, "ddp"), (3, "ddp"), "was trained by 2 processes (ddp) and goes on with 3 processes (ddp):"),
        ((2, "ddp"), (2, "fsdp"), "goes on with 2 processes (fsdp)"),
        ((2, {"a": "fsdp", "b": "ddp"}), (1, "none"), "by 2 processes (a: fsdp, b: ddp)"),
        (None, (1, "none"), None),
    ],
)
def test_other_processes_are_told(before: tuple[int, object] | None, now: tuple[int, object], said: str | None) -> None:
    def plan(layout: tuple[int, object] | None) -> dict[str, dict[str, object]]:
        return {} if layout is None else {"processes": {"value": layout[0]}, "parallel": {"value": layout[1]}}

    told = layout_change(plan(before), plan(now))
    assert (told is None) if said is None else (said in str(told))
