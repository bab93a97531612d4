"""A run on the device that was killed and resumed ends as one that was never stopped, where it is deterministic."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest

KILLER = str(Path(__file__).parents[1] / "e2e/killer.py")
WORDS = [
    "--callback", "killer", "epochs=3", "limit=256", "batch_size=32", "accumulate=2", "ema=0.9", "clip=1",
    "checkpoint.every=3", "log_every=4", "model.dropout=0.3", "model.width=8", "model.hidden=32", "deterministic=true",
]  # fmt: skip


def modrack(folder: Path, *words: str) -> int:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "modrack", *words, "--home", str(folder / "home")]
    return subprocess.run(command, cwd=folder, capture_output=True, timeout=300).returncode


def digests(folder: Path) -> list[str]:
    last = folder / "home/1/checkpoints/last"
    return [
        hashlib.sha256((last / name).read_bytes()).hexdigest() for name in ("model.safetensors", "state.safetensors")
    ]


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_resumed_equals_never_stopped(precision: str, tmp_path: Path) -> None:
    words = ["train", "--plugin", KILLER, *WORDS, f"precision={precision}"]
    assert modrack(tmp_path / "whole", *words) == 0
    assert modrack(tmp_path / "killed", *words, "callback.killer.at=11") == -signal.SIGKILL
    assert modrack(tmp_path / "killed", "resume", "1") == 0
    assert digests(tmp_path / "killed") == digests(tmp_path / "whole")
