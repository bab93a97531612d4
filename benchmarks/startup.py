"""How long the reading commands take from the shell, beside what cannot be avoided.

    python benchmarks/startup.py [--repeats 15]

Each pair runs in turn, so that a machine whose speed drifts slows both; ratios are of the medians.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MODRACK = [str(Path(sys.executable).with_name("modrack"))]
CLICK = [sys.executable, "-c", "import click"]
ORM = [sys.executable, "-c", "import sqlalchemy.orm"]
HELP = [*MODRACK, "--help"]
PAIRS = [
    ("modrack --help", HELP, "import click", CLICK, 4.0),
    ("modrack list", [*MODRACK, "list"], "modrack --help", HELP, 1.5),
    ("modrack list model", [*MODRACK, "list", "model"], "modrack --help", HELP, 1.5),
    ("modrack runs list", [*MODRACK, "runs", "list"], "import sqlalchemy.orm", ORM, 2.0),
    # The process ends after the first training step, before anything is saved.
    ("modrack train, to its first step", [*MODRACK, "train", "--plugin", "first.py", "--callback", "first", "-q"],
     "import torch, datasets", [sys.executable, "-c", "import torch, datasets"], 1.5),
]  # fmt: skip
FIRST = """
import os
import modrack


@modrack.callback
class First:
    def stepped(self, training):
        os._exit(0)
"""


def seconds(command: list[str], folder: str) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    print("| command | ms | beside | ms | ratio | wanted below |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "first.py").write_text(FIRST)
        train = [*MODRACK, "train", "epochs=1", "limit=200", "--quiet"]
        subprocess.run(train, check=True, capture_output=True, cwd=folder)
        for name, command, beside, other, wanted in PAIRS:
            seconds(command, folder), seconds(other, folder)
            times = [(seconds(command, folder), seconds(other, folder)) for _ in range(repeats)]
            mine, theirs = (statistics.median(column) for column in zip(*times, strict=True))
            print(
                f"| `{name}` | {mine * 1000:.0f} | `{beside}` | {theirs * 1000:.0f} | {mine / theirs:.2f} | {wanted} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
