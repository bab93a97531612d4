"""The most memory that a training takes: layers computed twice, weights sharded over two processes, adapters alone.

    python benchmarks/memory.py

Peaks are those that runs record of themselves (`extra.peak_memory`): of the accelerator where there is one, else of
process 0, over the whole run with its evaluations and checkpoints. Two rows in turn are a pair; compare within it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import Any

COMMON = ["--dataset", "python-docs", "--model", "gpt", "precision=fp32", "threads=1"]
SMALL = "model.layers=8 model.heads=6 model.width=384 model.context=256 limit=200 batch_size=32 steps=4 accumulate=1"
LARGE = (
    "model.layers=12 model.heads=16 model.width=1024 model.context=64 limit=20 batch_size=2 steps=3 accumulate=1 "
    "evaluation_batch_size=4"
)
WORK = {
    "8 layers of 384, 32 rows of 256 tokens, recompute=none": (1, f"{SMALL} recompute=none"),
    "8 layers of 384, 32 rows of 256 tokens, recompute=all": (1, f"{SMALL} recompute=all"),
    "12 layers of 1024, all weights learn": (1, f"{LARGE} recompute=none"),
    "12 layers of 1024, lora.rank=8": (1, f"{LARGE} recompute=none lora.rank=8"),
    "12 layers of 1024, two processes, parallel=ddp": (2, f"{LARGE} parallel=ddp recompute=none"),
    "12 layers of 1024, two processes, parallel=fsdp": (2, f"{LARGE} parallel=fsdp recompute=none"),
}


def measured(processes: int, words: str) -> dict[str, Any]:
    """What the run recorded."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"MODRACK_HOME": folder, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "modrack"]
        train = [*command, "train", *COMMON, *words.split(), "-q", "--processes", str(processes)]
        done = subprocess.run(train, cwd=folder, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        shown = subprocess.run(
            [*command, "runs", "show", "1", "--json"], env=environment, capture_output=True, text=True
        )
        found: dict[str, Any] = json.loads(shown.stdout)
        return found


def main() -> None:
    print("| work | peak, GB | tokens/s | training loss |\n|---|---|---|---|")
    for name, (processes, words) in WORK.items():
        run = measured(processes, words)
        extra = run["extra"]
        loss = run["metrics"]["train.loss"]
        print(
            f"| {name} | {extra['peak_memory'] / 1e9:.2f} | {extra['tokens_per_second']:.0f} | {loss:.5f} |", flush=True
        )


if __name__ == "__main__":
    main()
