"""Several launchers that meet, as several machines do; and what is said where they cannot."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

WORDS = [
    "train",
    "epochs=1",
    "limit=128",
    "batch_size=16",
    "model.width=4",
    "model.hidden=8",
    "device=cpu",
    "threads=1",
]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def modrack(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "modrack", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=280,
        env=os.environ | variables,
    )


@pytest.mark.slow
def test_two_launchers_train_one_run_as_one_process_does(tmp_path: Path) -> None:
    meet = [
        *("--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d"),
        *("--rdzv-endpoint", f"127.0.0.1:{free_port()}", "--rdzv-id", "two"),
    ]
    command = [sys.executable, "-m", "torch.distributed.run", *meet, "-m", "modrack", *WORDS, "checkpoint.every=4"]
    nodes = [
        subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = [node.communicate(timeout=280) for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], told
    listed = json.loads(modrack(tmp_path, "runs", "list", "--json").stdout)
    assert [(run["id"], run["status"]) for run in listed] == [(1, "finished")]
    alone = tmp_path / "alone"
    alone.mkdir()
    done = modrack(alone, *WORDS, "--json")
    assert done.returncode == 0, done.stderr
    one, two = json.loads(done.stdout)["metrics"], listed[0]["metrics"]
    assert two["test.loss"] == pytest.approx(one["test.loss"], rel=1e-4)


def test_a_port_in_use_is_told_in_two_lines(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "RANK": "0", "WORLD_SIZE": "2"}
        done = modrack(tmp_path, *WORDS, **place)
    assert done.returncode == 2
    assert f"The processes cannot meet at 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_world_without_a_meeting_place_is_told(tmp_path: Path) -> None:
    done = modrack(tmp_path, *WORDS, RANK="0", WORLD_SIZE="2", MASTER_ADDR="")
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("modrack-runs/[0-9]*"))
