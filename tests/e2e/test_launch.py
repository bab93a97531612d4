"""`modrack train --processes`: several processes started by one command, and started again when one dies."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

DEATH = str(Path(__file__).with_name("death.py"))
WORDS = [
    "train", "--plugin", DEATH, "--scheduler", "death", "epochs=2", "limit=128", "batch_size=16",
    "model.width=4", "model.hidden=8", "device=cpu", "threads=1", "checkpoint.every=3", "--json",
]  # fmt: skip


def modrack(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "modrack", *words], cwd=folder, capture_output=True, text=True, timeout=280
    )


@pytest.mark.slow
@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_process_that_dies_is_started_again_and_the_run_goes_on(rank: str, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    first = modrack(whole, *WORDS, "--processes", "2")
    assert first.returncode == 0, first.stderr
    words = [*WORDS, "--processes", "2", "--restarts", "1", "scheduler.at=11", f"scheduler.rank={rank}"]
    second = modrack(broken, *words)
    assert second.returncode == 0, second.stderr
    assert (broken / f"killed-{rank}").exists()
    assert json.loads(second.stdout)["metrics"] == json.loads(first.stdout)["metrics"]
    listed = json.loads(modrack(broken, "runs", "list", "--json").stdout)
    assert [(run["id"], run["status"]) for run in listed] == [(1, "finished")]
    assert not list((broken / "modrack-runs").glob(".launch-*"))


def test_far_more_processes_than_cores_are_refused(tmp_path: Path) -> None:
    done = modrack(tmp_path, "train", "--processes", "5000", "device=cpu")
    assert (done.returncode, "--processes 5000: this machine has" in done.stderr) == (2, True)


@pytest.mark.slow
def test_a_mistake_is_told_once_with_the_usual_code(tmp_path: Path) -> None:
    early = modrack(tmp_path, "train", "--processes", "2", "epohcs=1")
    assert early.returncode == 2
    assert early.stderr == "There is no setting 'epohcs' (epohcs=1).\n  Did you mean epochs?\n"
    late = modrack(tmp_path, "train", "--processes", "2", "--dataset", "files", "dataset.path=/nowhere", "device=cpu")
    assert late.returncode == 2
    assert late.stderr.count("/nowhere: there is no") == 1
    assert len(late.stderr.splitlines()) <= 3
