"""A component of each kind written outside the package, in one file, used by name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import modrack

PLUGIN = Path(__file__).with_name("outside.py")
CHOICES = ["--model", "tiny", "--dataset", "halves", "--optimizer", "plain", "--scheduler", "halving"]
CHOICES += ["--metric", "hits", "--task", "hinge", "--callback", "diary"]


def call(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "modrack", *words], cwd=cwd, capture_output=True, text=True, timeout=120
    )


def test_by_name_from_the_command_line(tmp_path: Path) -> None:
    words = ["epochs=12", "batch_size=16", "model.width=32", "callback.diary.file=log.txt"]
    done = call("train", "--plugin", str(PLUGIN), *CHOICES, *words, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["status"] == "finished"
    assert made["metrics"]["test.hits"] > 0.95
    folder = Path(made["folder"])
    assert (folder / "log.txt").read_text().splitlines()[0] == "started"
    assert len((folder / "log.txt").read_text().splitlines()) == 13
    assert (folder / "hook.txt").read_text() == "run 1 running\nrun 1 finished"
    assert (folder / "plugins/outside.py").read_text() == PLUGIN.read_text()

    shown: dict[str, Any] = json.loads(call("runs", "show", "1", "--json", cwd=tmp_path).stdout)
    used = {part["kind"]: part for part in shown["components"]}
    assert set(used) == {"model", "dataset", "optimizer", "scheduler", "metric", "task", "callback"}
    assert all(part["full"].startswith("outside/") and len(part["digest"]) == 64 for part in used.values())
    assert shown["params"]["model.width"] == 32


def test_from_python(tmp_path: Path) -> None:
    run = modrack.train(
        model="tiny", dataset="halves", optimizer="plain", metric=["hits"], task="hinge", epochs=1, plugins=[PLUGIN],
        home=tmp_path, **{"model.width": 8},
    )  # fmt: skip
    assert run.status == "finished"
    assert run.params["model.width"] == 8
    assert [each.id for each in modrack.runs(home=tmp_path)] == [1]


@pytest.mark.parametrize("kind", ["model", "optimizer", "metric", "task"])
def test_two_of_a_name_are_told_apart(tmp_path: Path, kind: str) -> None:
    other = tmp_path / "other.py"
    other.write_text(PLUGIN.read_text().replace("def modrack_run", "def _no_run").replace("@modrack.hook\n", ""))
    name = {"model": "tiny", "optimizer": "plain", "metric": "hits", "task": "hinge"}[kind]
    done = call("show", kind, name, "--plugin", str(PLUGIN), "--plugin", str(other), cwd=tmp_path)
    assert done.returncode == 2
    assert f"other/{name}" in done.stderr
    assert f"outside/{name}" in done.stderr
    assert (
        call("show", kind, f"other/{name}", "--plugin", str(PLUGIN), "--plugin", str(other), cwd=tmp_path).returncode
        == 0
    )
