"""Runs that wait for their turn."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from modrack_registry.store import RunStart, open_store

WORDS = ["epochs=1", "limit=64", "model.width=4", "model.hidden=8", "threads=1", "--queue", "--json"]


def begin(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "modrack", "train", *WORDS],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ,
    )  # fmt: skip


def wait_for(folder: Path, run: int, status: str) -> None:
    store = open_store(folder / "modrack-runs")
    for _ in range(600):
        if {each.id: each.status for each in store.runs()}.get(run) == status:
            return
        time.sleep(0.1)
    raise AssertionError(f"run {run} never became {status}")


def test_a_queued_run_waits_until_the_one_before_has_ended(tmp_path: Path) -> None:
    store = open_store(tmp_path / "modrack-runs")
    first = store.start(RunStart(config={}, params={}, components=[]))
    process = begin(tmp_path)
    wait_for(tmp_path, 2, "queued")
    time.sleep(2.5)
    assert store.get(2).status == "queued"
    first.finish("finished")
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    assert json.loads(out)["run"] == 2
    assert "run 2 is queued" in error
    assert store.get(2).status == "finished"


def test_a_queued_run_can_be_stopped_and_a_dead_one_holds_nobody_up(tmp_path: Path) -> None:
    store = open_store(tmp_path / "modrack-runs")
    first = store.start(RunStart(config={}, params={}, components=[]))
    stopped, killed = begin(tmp_path), None
    try:
        wait_for(tmp_path, 2, "queued")
        killed = begin(tmp_path)
        wait_for(tmp_path, 3, "queued")
        stopped.send_signal(signal.SIGINT)
        stopped.communicate(timeout=60)
        assert stopped.returncode == 130
        assert (store.get(2).status, store.get(2).reason) == ("interrupted", "Ctrl-C in the queue")
        killed.kill()
        killed.wait(timeout=30)
        wait_for(tmp_path, 3, "lost")
        first.finish("finished")
        fourth = begin(tmp_path)
        out, error = fourth.communicate(timeout=120)
        assert fourth.returncode == 0, error
        assert json.loads(out)["run"] == 4
    finally:
        for process in (stopped, killed):
            if process is not None and process.poll() is None:
                process.kill()


def test_turns_go_by_number(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    runs = [store.start(RunStart(config={}, params={}, components=[]), queued=True) for _ in range(3)]
    assert [store.turn(run.id) for run in reversed(runs)] == [False, False, True]
    assert [run.status for run in store.runs()] == ["queued", "queued", "running"]
    runs[0].finish("finished")
    assert not store.turn(3)
    assert store.turn(2)
    for run in runs[1:]:
        run.finish("finished")
