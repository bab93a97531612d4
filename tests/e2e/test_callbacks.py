"""Callbacks that end a run, and what they know again in a resumed one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from modrack.runner.checkpoint import damage, load_state

PLUGIN = '''
import os
import signal

import modrack


@modrack.callback
class Watch:
    """Counts, ends the run, and stops it, at steps of its own."""

    def __init__(self, *, end: int = 0, interrupt: int = 0):
        self.end, self.interrupt, self.steps, self.evaluations = end, interrupt, 0, 0

    def started(self, training):
        if self.end < 0:
            training.stop("not today")

    def stepped(self, training):
        self.steps += 1
        if training.step == self.end:
            training.stop("enough")
        if training.step == self.interrupt and self.steps == training.step:
            self.interrupt = 0
            os.kill(os.getpid(), signal.SIGTERM)

    def evaluated(self, training):
        self.evaluations += 1

    def ended(self, training):
        (training.folder / "watched").write_text(f"{self.steps} {self.evaluations}")

    def state_dict(self):
        return {"steps": self.steps, "evaluations": self.evaluations}

    def load_state_dict(self, state):
        self.steps, self.evaluations = state["steps"], state["evaluations"]
'''
LATE = '''
import os
import signal
from pathlib import Path

import modrack


@modrack.metric(better="higher")
class Late:
    """Stops the run, once, in the evaluation after the last one on validation."""

    times = 0

    def __init__(self, data):
        Late.times += 1

    def update(self, logits, target):
        # One is made before the run begins.
        if Late.times == 5 and not Path("late").exists():
            Path("late").write_text("")
            os.kill(os.getpid(), signal.SIGTERM)

    def compute(self):
        return 1.0
'''
# 24 steps in 3 epochs.
WORDS = [
    "train", "--plugin", "watch.py", "--callback", "watch", "--dataset", "digits", "--model", "mlp", "epochs=3",
    "limit=256", "batch_size=32", "device=cpu", "threads=1", "--json",
]  # fmt: skip


def modrack(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (folder / "watch.py").write_text(PLUGIN)
    return subprocess.run(
        [sys.executable, "-m", "modrack", *words], cwd=folder, capture_output=True, text=True, timeout=120
    )


def ended_at(folder: Path, step: int) -> None:
    """The run ended there: measured, and with a checkpoint that is whole."""
    last = (folder / "modrack-runs/1/checkpoints/last").resolve()
    assert (last.name, damage(last)) == (f"step-{step:08d}", None)
    shown = json.loads(modrack(folder, "runs", "show", "1", "--json").stdout)
    assert shown["status"] == "finished"
    assert {"validation.accuracy", "test.accuracy"} <= set(shown["metrics"])


def test_a_run_that_a_callback_ends_in_an_epoch_is_measured_and_kept(tmp_path: Path) -> None:
    done = modrack(tmp_path, *WORDS, "callback.watch.end=11")
    assert done.returncode == 0, done.stderr
    ended_at(tmp_path, 11)
    assert (tmp_path / "modrack-runs/1/watched").read_text() == "11 2"


def test_a_run_that_a_callback_ends_before_it_began_is_measured_and_kept(tmp_path: Path) -> None:
    done = modrack(tmp_path, *WORDS, "callback.watch.end=-1")
    assert done.returncode == 0, done.stderr
    ended_at(tmp_path, 0)
    assert (tmp_path / "modrack-runs/1/watched").read_text() == "0 1"


@pytest.mark.slow
def test_several_processes_end_together_at_the_next_log_point(tmp_path: Path) -> None:
    done = modrack(tmp_path, *WORDS, "callback.watch.end=3", "log_every=4", "--processes", "2")
    assert done.returncode == 0, done.stderr
    ended_at(tmp_path, 4)


def test_a_callback_knows_in_a_resumed_run_what_it_knew(tmp_path: Path) -> None:
    stopped = modrack(tmp_path, *WORDS, "callback.watch.interrupt=11")
    assert stopped.returncode == 130, stopped.stderr
    done = modrack(tmp_path, "resume", "1", "--json")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "modrack-runs/1/watched").read_text() == "24 3"


def test_a_run_stopped_while_it_was_to_end_ends_when_it_is_resumed(tmp_path: Path) -> None:
    stopped = modrack(tmp_path, *WORDS, "callback.watch.interrupt=11", "callback.watch.end=11")
    assert stopped.returncode == 130, stopped.stderr
    assert load_state(tmp_path / "modrack-runs/1/checkpoints/last")["asked"] == "enough"
    done = modrack(tmp_path, "resume", "1", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "finished"
    # The evaluation of the step at which it ends was still to come.
    assert (tmp_path / "modrack-runs/1/watched").read_text() == "11 2"


@pytest.mark.parametrize("at", ["8", "24"])
def test_an_evaluation_that_was_cut_off_is_made_up_for(at: str, tmp_path: Path) -> None:
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
    whole = modrack(tmp_path / "whole", *WORDS)
    assert modrack(tmp_path / "stopped", *WORDS, f"callback.watch.interrupt={at}").returncode == 130
    done = modrack(tmp_path / "stopped", "resume", "1", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"] == json.loads(whole.stdout)["metrics"]
    assert (tmp_path / "stopped/modrack-runs/1/watched").read_text() == "24 3"
    best = [(tmp_path / name / "modrack-runs/1/checkpoints/best").resolve().name for name in ("whole", "stopped")]
    assert best[0] == best[1]


def test_a_run_stopped_in_its_test_is_tested_when_it_is_resumed(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(LATE)
    words = [*WORDS, "--plugin", "late.py", "--metric", "late", "evaluation_batch_size=8"]
    stopped = modrack(tmp_path, *words)
    assert stopped.returncode == 130, stopped.stderr
    shown = json.loads(modrack(tmp_path, "runs", "show", "1", "--json").stdout)
    assert shown["status"] == "interrupted"
    assert not any(name.startswith("test.") for name in shown["metrics"])
    done = modrack(tmp_path, "resume", "1", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"]["test.late"] == 1.0


def test_a_value_to_monitor_that_no_evaluation_gives(tmp_path: Path) -> None:
    done = modrack(tmp_path, *WORDS, "monitor=accuracy.typo")
    assert done.returncode == 1
    assert "monitor=accuracy.typo: no evaluation gives that." in done.stderr
    assert "validation.accuracy" in done.stderr


@pytest.mark.parametrize(
    ("words", "world", "said"),
    [
        (["train", "device=cpu:x"], "", "device=cpu:x: there is one cpu."),
        (["train"], "two", "WORLD_SIZE=two is no number of processes."),
    ],
)
def test_mistakes_of_where_to_run(
    words: list[str], world: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", world)
    done = modrack(tmp_path, *words)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 2), done.stderr
    assert said in done.stderr
