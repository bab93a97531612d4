"""Two real processes on gloo learn what one learns, count every row once, and write one record."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modrack.runner.feeder import cut_step

WORDS = [
    "epochs=2", "batch_size=48", "limit=200", "precision=fp32", "threads=1", "device=cpu", "model.width=8",
    "model.hidden=16", "accumulate=2", "optimizer.lr=0.02",
]  # fmt: skip


GENERATE = [
    "epochs=2", "batch_size=48", "limit=200", "precision=fp32", "threads=1", "device=cpu", "model.width=4",
    "accumulate=2", "optimizer.lr=0.001",
]  # fmt: skip


def train(
    folder: Path, processes: int, chosen: tuple[str, ...] = ("--metric", "accuracy", "--metric", "f1", *WORDS)
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(what the command printed, the runs recorded)."""
    words = ["-m", "modrack", "train", "--optimizer", "sgd", *chosen, "--json"]
    start = [sys.executable]
    if processes > 1:
        start += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    # One thread each: two processes on two cores would otherwise get in each other's way.
    environment = os.environ | {"MODRACK_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*start, *words], cwd=folder, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    listed = subprocess.run(
        [sys.executable, "-m", "modrack", "runs", "list", "--json"], capture_output=True, text=True, env=environment
    )
    return json.loads(done.stdout), json.loads(listed.stdout)


def test_two_processes_equal_one(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, _ = train(tmp_path / "one", 1)
    two, runs = train(tmp_path / "two", 2)
    assert len(runs) == 1
    assert two["metrics"] == pytest.approx(one["metrics"], rel=1e-4)
    assert_same_weights(one, two)


@pytest.mark.parametrize(
    "chosen", [("--model", "vae"), ("--model", "dcgan", "--task", "wgan-gp", "task.critic_steps=2")], ids=["vae", "gan"]
)
def test_two_processes_of_several_parts_equal_one(chosen: tuple[str, ...], tmp_path: Path) -> None:
    made = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        folder.mkdir()
        made.append(train(folder, processes, (*chosen, *GENERATE))[0])
        assert len(list((folder / "home/1/pictures").glob("samples-*.png"))) == 2
    assert made[1]["metrics"] == pytest.approx(made[0]["metrics"], rel=1e-4)
    assert_same_weights(*made)


def test_two_processes_count_every_word_once(tmp_path: Path) -> None:
    """Their sentences are padded to different widths; what one lacks counts for nothing."""
    chosen = (
        "--model", "gru", "--dataset", "cldr-entities", "dataset.rows=120", "epochs=2", "batch_size=24", "threads=1",
        "device=cpu", "precision=fp32", "model.width=8", "model.dropout=0", "optimizer.lr=0.5",
        "evaluation_batch_size=7",
    )  # fmt: skip
    made = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        folder.mkdir()
        made.append(train(folder, processes, chosen)[0])
    assert made[1]["metrics"] == pytest.approx(made[0]["metrics"], rel=1e-4, abs=1e-6)
    assert {"test.span-f1", "test.span-precision", "test.span-recall", "test.accuracy"} < made[0]["metrics"].keys()
    assert_same_weights(*made)


def assert_same_weights(one: dict[str, Any], two: dict[str, Any]) -> None:
    from safetensors.torch import load_file

    places = [(Path(made["folder"]) / "checkpoints/last").resolve() for made in (one, two)]
    files = [file.relative_to(places[0]) for file in places[0].rglob("model.safetensors")]
    assert files
    for file in files:
        weights = [load_file(place / file) for place in places]
        for name, tensor in weights[0].items():
            assert (tensor - weights[1][name]).abs().max() < 1e-5, (file, name)


def test_shares_of_a_step_are_all_of_it() -> None:
    for rows in (1, 2, 7, 16, 48):
        for of in (2, 3):
            for accumulate in (1, 4):
                shares = [cut_step(100, 100 + rows, accumulate, (number, of)) for number in range(of)]
                assert {len(share) for share in shares} == {accumulate}
                covered = [place for share in shares for left, right in share for place in range(left, right)]
                assert covered == list(range(100, 100 + rows))
