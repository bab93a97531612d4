from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PARTS = Path(__file__).parents[1] / "configure" / "parts.py"


@pytest.fixture(scope="session")
def parts():
    """The path of a plugin file with something of each kind."""
    return str(PARTS)


@pytest.fixture
def modrack(tmp_path):
    """Run `python -m modrack` in an empty folder; gives the finished process. `env` adds to the environment."""

    def run(*args, env=None, cwd=tmp_path, **more):
        kept = {key: value for key, value in os.environ.items() if not key.startswith("MODRACK_")}
        return subprocess.run(
            [sys.executable, "-m", "modrack", *map(str, args)],
            cwd=cwd,
            env={**kept, "COLUMNS": "120", **(env or {})},
            text=True,
            capture_output=True,
            timeout=300,
            **more,
        )

    return run


@pytest.fixture
def site(tmp_path):
    """Make a distribution as `pip install` leaves it; its folder goes on PYTHONPATH."""

    def make(name, modules, entry_points, version="1.0", folder="site"):
        place = tmp_path / folder
        info = place / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        lines = [f"{key} = {value}" for key, value in entry_points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[modrack]", *lines, ""]))
        for module, text in modules.items():
            (place / f"{module}.py").write_text(text)
        return {"PYTHONPATH": str(place)}

    return make
