"""The reading commands load nothing heavy, whatever is asked; they start fast."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"torch", "transformers", "datasets", "pydantic", "numpy", "sklearn", "pandas"}
STORE = {"sqlalchemy", "alembic", "rich"}

SCRIPT = """
import sys
from modrack.cli.door import run
code = run({args!r})
print("loaded:", *sorted({names!r} & set(sys.modules)))
sys.exit(code)
"""


def loaded(args, names, cwd):
    script = SCRIPT.format(args=args, names=names)
    done = subprocess.run([sys.executable, "-c", script], cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()[1:]


@pytest.mark.parametrize(
    "args",
    [
        ["--help"],
        ["--version"],
        ["list"],
        ["list", "model"],
        ["list", "--json"],
        ["show", "task", "classification"],
        ["show", "task", "classification", "--json"],
        ["plugins"],
        ["plugins", "--json"],
        ["train", "--help"],
        ["runs", "--help"],
        ["db", "--help"],
    ],
)
def test_reading_parts_loads_neither_torch_nor_a_database(args, tmp_path):
    assert loaded(args, HEAVY | STORE, tmp_path) == []


@pytest.mark.parametrize("args", [["runs", "list"], ["runs", "list", "--json"], ["db", "info"]])
def test_reading_runs_loads_no_torch(args, tmp_path):
    assert loaded(args, HEAVY | {"rich", "alembic", "pluggy"}, tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_importing_modrack_loads_nothing(tmp_path):
    script = f"import sys, modrack; print(*sorted({HEAVY | STORE | {'click', 'pluggy'}!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == ""


def test_a_small_training_loads_what_it_uses(tmp_path):
    """Each of these takes as long to import as the whole training takes."""
    unused = {"sklearn", "transformers", "torchmetrics", "torch._dynamo", "torchvision", "matplotlib", "alembic"}
    words = ["train", "epochs=1", "limit=64", "model.width=4", "--metric", "accuracy", "--metric", "f1"]
    assert loaded(words, unused, tmp_path) == []
