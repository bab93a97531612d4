"""Every block of docs/plugins.md, run in the order it stands."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_plugin_tutorial(tmp_path: Path) -> None:
    text = (ROOT / "docs/plugins.md").read_text("utf-8")
    ran = 0
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S):
        if language == "python":
            head, _, body = block.partition("\n")
            with (tmp_path / head.removeprefix("# file: ")).open("a") as file:
                file.write(body + "\n\n")
        elif language == "":
            for line in block.splitlines():
                words = shlex.split(line, comments=True)
                assert words[0] == "modrack"
                if words[1] == "train":
                    words += ["limit=200", "epochs=1"] if "epochs=2" not in words else []
                done = subprocess.run(
                    [sys.executable, "-m", *words], cwd=tmp_path, capture_output=True, text=True, timeout=300
                )
                assert done.returncode == 0, (line, done.stdout, done.stderr)
                ran += 1
    assert ran >= 8
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "test_parts.py", "-p", "no:cacheprovider"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert tested.returncode == 0, tested.stdout
