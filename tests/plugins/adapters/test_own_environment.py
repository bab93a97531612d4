"""timm and torchvision fit one version of torch only, so their adapters are tried in an environment of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
HERE = Path(__file__).parent
ROOT = HERE.parents[2]
# Versions that belong together.
LIBRARIES = ("torch==2.14.1", "torchvision==0.29.1", "timm>=1.0")


def test_timm_and_torchvision(tmp_path):
    python = tmp_path / "bin" / "python"
    # Not this environment's constraints either: they name the one torch that these libraries do not fit.
    foreign = ("PYTHONPATH", "PYTHONHOME", "PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT")
    environment = {name: value for name, value in os.environ.items() if name not in foreign}
    for words in (
        [sys.executable, "-m", "venv", str(tmp_path)],
        [str(python), "-m", "pip", "install", "-q", *LIBRARIES],
        [str(python), "-m", "pip", "install", "-q", f"{ROOT}[timm]", "pytest", "pytest-timeout", "pytest-xdist"],
    ):
        done = subprocess.run(words, capture_output=True, text=True, env=environment)
        if done.returncode and "pip" in words and "No matching distribution" in done.stderr:
            pytest.skip(f"not to be had here: {done.stderr.strip().splitlines()[-1]}")
        assert done.returncode == 0, done.stderr[-2000:]
    files = [str(HERE / f"test_adapter_{name}.py") for name in ("timm", "torchvision")]
    done = subprocess.run(
        [str(python), "-m", "pytest", "-q", "-n", "0", "-m", "slow", *files],
        capture_output=True,
        text=True,
        env=environment | {"MODRACK_HOME": str(tmp_path / "runs")},
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed
    assert int(passed[1]) > 25
    assert "skipped" not in done.stdout
