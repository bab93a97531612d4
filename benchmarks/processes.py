"""Whole processes: how long until the first training step, and how much memory a run takes.

    python benchmarks/processes.py [--repeats 5] start
    python benchmarks/processes.py [--repeats 3] memory FOLDER

`start` is the wall time from the shell to the end of the first step of `modrack train` (digits, the default cnn), over
`python -c "import torch, datasets"`, each in turn. `memory` is the most that a process had in memory (its resident set)
in an epoch of the tutorial CNN on Fashion-MNIST in FOLDER, over that of a bare loop with a DataLoader.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

WATCH = '''
import time
from pathlib import Path
import modrack

@modrack.callback
class Watch:
    """Writes down when the first step is done."""

    def __init__(self, data):
        pass

    def stepped(self, training):
        if training.step == 1:
            Path({place!r}).write_text(repr(time.time()))
            training.stop("seen enough")
'''

BARE = """
import gzip, sys
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

def read(name, skip):
    with gzip.open(sys.argv[1] + "/" + name + ".gz") as file:
        return np.frombuffer(file.read(), np.uint8, offset=skip)

def images(split):
    x = torch.from_numpy(read(split + "-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28).copy()).float() / 255
    return x, torch.from_numpy(read(split + "-labels-idx1-ubyte", 8).astype(np.int64))

x, y = images("train")
tx, ty = images("t10k")
net = nn.Sequential(
    nn.Conv2d(1, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(),
    nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128 * 49, 1000), nn.ReLU(), nn.Linear(1000, 10),
)
optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
for step, (image, label) in enumerate(DataLoader(TensorDataset(x, y), batch_size=64, shuffle=True)):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(image), label)
    loss.backward()
    optimizer.step()
    if step == int(sys.argv[2]):
        break
net.eval()
with torch.no_grad():
    print(sum(int((net(a).argmax(1) == b).sum()) for a, b in zip(tx.split(256), ty.split(256))) / len(tx))
"""


def ran(command: list[str]) -> tuple[float, int]:
    """(wall seconds, most bytes resident) of `command`, which must succeed."""
    started = time.time()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(
            f"{' '.join(command)[:200]}\nfailed: {process.stderr.read().decode() if process.stderr else ''}"
        )
    return time.time() - started, usage.ru_maxrss * 1024


def start(folder: Path) -> dict[str, Callable[[], float]]:
    place, plugin = folder / "seen", folder / "watch.py"
    plugin.write_text(WATCH.format(place=str(place)))
    modrack = str(Path(sys.executable).with_name("modrack"))

    def ours() -> float:
        began = time.time()
        ran([modrack, "train", "--home", str(folder / "home"), "--plugin", str(plugin), "--callback", "watch"])
        return float(place.read_text()) - began

    return {
        "modrack train, to the first step": ours,
        "import torch, datasets": lambda: ran([sys.executable, "-c", "import torch, datasets"])[0],
    }


def memory(folder: Path, data: str, steps: int) -> dict[str, Callable[[], float]]:
    script = folder / "bare.py"
    script.write_text(BARE)
    modrack = str(Path(sys.executable).with_name("modrack"))
    words = ["--dataset", "idx", f"dataset.path={data}", f"steps={steps}", "--home", str(folder / "home")]
    return {
        "modrack train": lambda: ran([modrack, "train", *words])[1] / 1e6,
        "bare loop, DataLoader": lambda: ran([sys.executable, str(script), data, str(steps)])[1] / 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=845, help="of memory; an epoch has 845")
    parser.add_argument("what", choices=("start", "memory"))
    parser.add_argument("folder", nargs="?", help="Fashion-MNIST, for memory")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        if arguments.what == "start":
            runners, unit = start(Path(place)), "s"
        else:
            runners, unit = memory(Path(place), arguments.folder, arguments.steps), "MB"
        found: dict[str, list[float]] = {name: [] for name in runners}
        for _ in range(arguments.repeats):
            for name, runner in runners.items():
                found[name].append(runner())
    middle = {name: statistics.median(values) for name, values in found.items()}
    last = list(middle.values())[-1]
    print(f"| what | {unit} | over the last |\n|---|---|---|")
    for name, value in middle.items():
        print(f"| {name} | {value:.3g} | {value / last:.2f}× |")


if __name__ == "__main__":
    main()
