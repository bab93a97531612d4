"""Running a past run again, and using its model."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import modrack
from modrack_registry.errors import UserError

WORDS = ["epochs=1", "limit=64", "model.width=4", "model.hidden=8", "threads=1"]
# A model of the user's own: a later run needs its file.
NET = '''
import modrack

@modrack.model(takes="image", gives="logits")
def net(data, *, width: int = 4):
    """A layer."""
    from torch import nn
    size = data.shape[0] * data.shape[1] * data.shape[2]
    return nn.Sequential(nn.Flatten(), nn.Linear(size, width), nn.ReLU(), nn.Linear(width, len(data.classes)))
'''


def say(folder: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "modrack", *words],
        cwd=folder, capture_output=True, text=True, timeout=120, env={**os.environ, **env},
    )  # fmt: skip


def metrics(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["metrics"]  # type: ignore[no-any-return]


def test_a_run_again_gives_the_same_and_knows_its_parent(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET)
    first = metrics(say(tmp_path, "train", "--plugin", "net.py", "--model", "net", "epochs=1", "limit=64", "--json"))
    (tmp_path / "net.py").unlink()
    again = say(tmp_path, "rerun", "1", "--exact", "--json")
    assert metrics(again) == first
    assert [(run.id, run.parent) for run in modrack.runs(home=tmp_path / "modrack-runs")] == [(2, 1), (1, None)]
    other = say(tmp_path, "train", "--from-run", "@last", "model.width=6", "seed=3")
    assert other.returncode == 0, other.stderr
    assert "different from run 2: model.width was 4, is 6" in other.stdout + other.stderr
    third = modrack.runs(home=tmp_path / "modrack-runs")[0]
    assert (third.params["model.width"], third.params["seed"], third.parent) == (6, 3, 2)


def test_exact_refuses_what_is_different_and_records_nothing(tmp_path: Path) -> None:
    assert say(tmp_path, "train", *WORDS).returncode == 0
    refused = say(tmp_path, "rerun", "1", "--exact", "seed=2")
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[:2] == [
        "Run 1 cannot be run again exactly. What is different now:",
        "  seed was 0, is 2",
    ]
    assert len(modrack.runs(home=tmp_path / "modrack-runs")) == 1


def test_a_setting_that_there_was_not_yet_is_no_difference(tmp_path: Path) -> None:
    assert say(tmp_path, "train", *WORDS).returncode == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "modrack-runs/runs.db")) as store, store:
        named = "SELECT id FROM name WHERE text IN ('feeder', 'tf32', 'ema')"
        taken = store.execute(f"DELETE FROM param WHERE name IN ({named})").rowcount
    assert taken == 3
    again = say(tmp_path, "rerun", "1", "--exact", "--json")
    assert again.returncode == 0, again.stderr


def test_wrong_words_for_rerun(tmp_path: Path) -> None:
    assert say(tmp_path, "train", *WORDS).returncode == 0
    assert "There is no run 7" in say(tmp_path, "rerun", "7").stderr
    assert "Give it with --from-run" in say(tmp_path, "train", "--exact").stderr
    assert "Did you mean epochs" in say(tmp_path, "rerun", "1", "epohcs=2").stderr
    (tmp_path / "x.toml").write_text("epochs = 1\n")
    assert "Give one of them" in say(tmp_path, "train", "x.toml", "--from-run", "1").stderr


def test_what_is_kept_of_where_a_run_came_from(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)
    (tmp_path / "notes.txt").write_text("one\n")
    commit = ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"]
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    subprocess.run(["git", *commit], cwd=tmp_path, check=True)
    (tmp_path / "notes.txt").write_text("two\napi_key = abcdefgh12345678\n")
    secret = {"MODRACK_SET": "seed=5", "MY_SECRET": "hidden-value"}
    assert say(tmp_path, "train", *WORDS, **secret).returncode == 0
    assert say(tmp_path, "train", "--no-diff", *WORDS, **secret).returncode == 0
    without, with_diff = modrack.runs(home=tmp_path / "modrack-runs")
    assert with_diff.git is not None
    assert "+two" in with_diff.git["diff"]
    assert "abcdefgh" not in with_diff.git["diff"]
    assert without.git is not None
    assert without.git["dirty"] is True
    assert not without.git["diff"]
    assert with_diff.environment["MODRACK_SET"] == "seed=5"
    assert "MY_SECRET" not in with_diff.environment
    assert set(with_diff.data["digests"]) == {"train", "validation", "test"}
    assert with_diff.data["digests"] == without.data["digests"]


def test_the_model_of_a_run(tmp_path: Path) -> None:
    import torch

    trained = modrack.train(home=tmp_path, epochs=1, limit=64, threads=1, **{"model.width": 4, "model.hidden": 8})
    net = modrack.runs(home=tmp_path)[0].load_model()
    assert not net.training
    with torch.no_grad():
        assert net(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    last = trained.load_model("last")
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), last.state_dict().values(), strict=True))
    with pytest.raises(UserError, match="no checkpoint 'frist'"):
        trained.load_model("frist")
    weights = trained.folder / "checkpoints/best/model.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[-1] ^= 1
    weights.write_bytes(bytes(damaged))
    with pytest.raises(UserError, match=r"model\.safetensors"):
        trained.load_model()


def test_the_store_knows_which_way_metrics_are_good(tmp_path: Path) -> None:
    from modrack_registry.store import open_store

    modrack.train(home=tmp_path, epochs=1, limit=64, threads=1, metric=["accuracy", "f1"])
    better = open_store(tmp_path).better()
    assert better["test.accuracy"] == better["validation.f1"] == "higher"
    assert better["train.loss"] == better["test.loss"] == "lower"
