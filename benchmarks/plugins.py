"""What installed plugins cost the reading commands, and how long Tab takes.

    python benchmarks/plugins.py [--repeats 9] [--plugins 50] [--components 10]

The plugins are distributions as an installer leaves them, models with options; each pair of commands runs in turn, so
that a machine whose speed drifts slows both. Ratios and times are of the medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MODRACK = str(Path(sys.executable).with_name("modrack"))
COMPONENT = '''

@modrack.model(takes="image", gives="logits")
def net_{plugin}_{number}(data, *, width: Annotated[int, Gt(0), "units of the hidden layer"] = {number}64):
    """One hidden layer, number {number} of plugin {plugin}."""
    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(data.shape[1] * data.shape[2], len(data.classes)))
'''
LINES = (
    "modrack tr",
    "modrack train --model c",
    "modrack train model.wi",
    "modrack train precision=",
    "modrack resume ",
)


def install(folder: Path, plugins: int, components: int) -> None:
    """Write `plugins` distributions of `components` models each into `folder`."""
    for plugin in range(plugins):
        info = folder / f"rack_{plugin}-1.0.dist-info"
        info.mkdir()
        head = f"Metadata-Version: 2.1\nName: rack-{plugin}\nVersion: 1.0\nRequires-Dist: modrack>=0.1\n"
        (info / "METADATA").write_text(head)
        (info / "entry_points.txt").write_text(f"[modrack]\nparts = rack_{plugin}\n")
        (info / "RECORD").write_text("")
        text = "from typing import Annotated\n\nfrom annotated_types import Gt\n\nimport modrack\n"
        text += "".join(COMPONENT.format(plugin=plugin, number=number + 1) for number in range(components))
        (folder / f"rack_{plugin}.py").write_text(text)


def seconds(command: list[str], folder: str, **env: str) -> float:
    """How long a command takes. Raises CalledProcessError where it fails."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=folder, env={**os.environ, **env})
    return time.perf_counter() - started


def main() -> None:
    """Measure, and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("repeats", 9), ("plugins", 50), ("components", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as site, tempfile.TemporaryDirectory() as folder:
        install(Path(site), asked.plugins, asked.components)
        many = {"PYTHONPATH": site}
        print(f"{asked.plugins} plugins of {asked.components} parts each, beside none:\n")
        print("| command | ms | ms with none | ratio | wanted below |\n|---|---|---|---|---|")
        for words, wanted in ((["list"], "2"), (["list", "model", "net-7-*"], "2"), (["--help"], "-")):
            command = [MODRACK, *words]
            seconds(command, folder, **many), seconds(command, folder)
            times = [(seconds(command, folder, **many), seconds(command, folder)) for _ in range(asked.repeats)]
            with_many, with_none = (statistics.median(column) for column in zip(*times, strict=True))
            row = (f"{with_many * 1000:.0f}", f"{with_none * 1000:.0f}", f"{with_many / with_none:.2f}", wanted)
            print(f"| `modrack {' '.join(words)}` | {' | '.join(row)} |", flush=True)
        seconds([MODRACK, "train", "--model", "mlp", "steps=1", "limit=60", "--quiet"], folder)
        print("\n| Tab after | ms | ms with the plugins | wanted below |\n|---|---|---|---|")
        for line in LINES:
            tab = {"_MODRACK_COMPLETE": "bash_complete", "COMP_LINE": line}
            times = [
                (seconds([MODRACK], folder, **tab), seconds([MODRACK], folder, **tab, **many))
                for _ in range(asked.repeats)
            ]
            with_none, with_many = (statistics.median(column) for column in zip(*times, strict=True))
            print(f"| `{line}` | {with_none * 1000:.0f} | {with_many * 1000:.0f} | 300 |", flush=True)


if __name__ == "__main__":
    main()
