"""A run that was killed and resumed ends exactly as one that was never stopped."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from modrack.native.build import find_compiler
from modrack.runner.checkpoint import damage

KILLER = str(Path(__file__).with_name("killer.py"))
# 3 epochs of 8 steps, with everything that has state.
WORDS = [
    "epochs=3", "limit=256", "batch_size=32", "accumulate=2", "ema=0.9", "clip=1", "checkpoint.every=3", "threads=1",
    "log_every=4", "model.dropout=0.3", "model.width=8", "model.hidden=32",
]  # fmt: skip


def train(folder: Path, *words: str, timeout: int = 120) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "modrack", *words, "--home", str(folder / "home"), "--json"],
        cwd=folder, capture_output=True, text=True, timeout=timeout,
    )  # fmt: skip


def state(folder: Path) -> dict[str, str]:
    """Digests of all that training ended with."""
    last = (folder / "home/1/checkpoints/last").resolve()
    return {
        str(path.relative_to(last)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(last.rglob("*"))
        if path.name in ("model.safetensors", "state.safetensors", "state.json")
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], dict[str, Any]]:
    folder = tmp_path_factory.mktemp("whole")
    done = train(folder, "train", "--plugin", KILLER, "--callback", "killer", *WORDS)
    assert done.returncode == 0, done.stderr
    return state(folder), json.loads(done.stdout)["metrics"]


def killed_and_resumed(folder: Path, at: int, words: list[str] = WORDS) -> dict[str, Any]:
    words = ["--plugin", KILLER, "--callback", "killer", f"callback.killer.at={at}", *words]
    stopped = train(folder, "train", *words)
    assert stopped.returncode == -signal.SIGKILL
    listed = subprocess.run(
        [sys.executable, "-m", "modrack", "runs", "list", "--home", str(folder / "home"), "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(listed.stdout)[0]["status"] == "lost"
    done = train(folder, "resume", "1")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.mark.parametrize("at", [5, 16])
def test_resumed_equals_never_stopped(at: int, tmp_path: Path, whole: tuple[dict[str, str], dict[str, Any]]) -> None:
    made = killed_and_resumed(tmp_path, at)
    assert made["run"] == 1
    assert state(tmp_path) == whole[0]
    assert made["metrics"] == whole[1]


def test_a_gan_resumed_equals_one_never_stopped(tmp_path: Path) -> None:
    """Two parts, each with its optimizer, and steps in which the generator does not move; the pictures are the same."""
    words = [
        "--model", "dcgan", "--task", "wgan-gp", "task.critic_steps=2", "model.width=4", "--callback", "samples",
        "epochs=3", "limit=128", "batch_size=16", "accumulate=2", "checkpoint.every=3", "threads=1", "log_every=4",
        "optimizer.generator.lr=0.002",
    ]  # fmt: skip
    made = killed_and_resumed(tmp_path / "killed", 13, words)
    (tmp_path / "whole").mkdir()
    done = train(tmp_path / "whole", "train", *words)
    assert done.returncode == 0, done.stderr
    kept = state(tmp_path / "killed")
    assert {"generator/model.safetensors", "discriminator/model.safetensors", "state.safetensors"} <= set(kept)
    assert kept == state(tmp_path / "whole")
    assert made["metrics"] == json.loads(done.stdout)["metrics"]
    pictures = [sorted((tmp_path / name / "home/1/pictures").iterdir()) for name in ("killed", "whole")]
    assert [picture.name for picture in pictures[0]] == [f"samples-{step:08d}.png" for step in (8, 16, 24)]
    assert all(one.read_bytes() == other.read_bytes() for one, other in zip(*pictures, strict=True))


@pytest.mark.skipif(find_compiler() is None, reason="there is no C compiler")
def test_kernels_in_c_resume_exactly(tmp_path: Path) -> None:
    """A small BERT in bf16, whose layers and optimizer are kernels compiled here; killed within an epoch."""
    words = [
        "--model", "bert", "model.pretrained=false", "model.width=32", "model.layers=2", "model.heads=2",
        "--dataset", "names", "kernels=native", "precision=bf16", "epochs=2", "limit=96", "batch_size=16",
        "accumulate=2", "ema=0.9", "clip=1", "checkpoint.every=3", "threads=2", "log_every=2",
    ]  # fmt: skip
    made = killed_and_resumed(tmp_path / "killed", 8, words)
    done = train(tmp_path / "whole", "train", *words)
    assert done.returncode == 0, done.stderr
    assert state(tmp_path / "killed") == state(tmp_path / "whole")
    assert made["metrics"] == json.loads(done.stdout)["metrics"]


@pytest.mark.slow
@pytest.mark.parametrize("at", [4, 7, 8, 9, 11, 12, 13, 15, 17, 20, 23])
def test_resumed_equals_never_stopped_anywhere(
    at: int, tmp_path: Path, whole: tuple[dict[str, str], dict[str, Any]]
) -> None:
    made = killed_and_resumed(tmp_path, at)
    assert state(tmp_path) == whole[0]
    assert made["metrics"] == whole[1]


def test_a_damaged_newest_checkpoint_falls_back(tmp_path: Path, whole: tuple[dict[str, str], dict[str, Any]]) -> None:
    """And is written anew, since the run comes by that step again."""
    words = ["--plugin", KILLER, "--callback", "killer", "callback.killer.at=8", "checkpoint.keep=20", *WORDS]
    train(tmp_path, "train", *words)
    steps = sorted((tmp_path / "home/1/checkpoints").glob("step-*"))
    assert [path.name for path in steps] == ["step-00000003", "step-00000006"]
    weights = bytearray((steps[-1] / "model.safetensors").read_bytes())
    weights[-5] ^= 255
    (steps[-1] / "model.safetensors").write_bytes(weights)
    done = train(tmp_path, "resume", "1")
    assert done.returncode == 0, done.stderr
    assert "step-00000006 is damaged (model.safetensors is not as it was written)" in done.stderr
    assert state(tmp_path)["model.safetensors"] == whole[0]["model.safetensors"]
    assert {place.name: damage(place) for place in steps} == {"step-00000003": None, "step-00000006": None}


def test_there_is_one_to_fall_back_to_without_being_asked_for(tmp_path: Path) -> None:
    train(tmp_path, "train", "--plugin", KILLER, "--callback", "killer", "callback.killer.at=17", *WORDS)
    found = sorted(path.name for path in (tmp_path / "home/1/checkpoints").glob("step-*"))
    assert found[-2:] == ["step-00000015", "step-00000016"]


def test_what_was_learned_after_an_older_checkpoint_goes_when_a_run_goes_on_from_there(tmp_path: Path) -> None:
    words = ["--plugin", KILLER, "--callback", "killer", "callback.killer.at=20", "checkpoint.keep=20", *WORDS]
    train(tmp_path, "train", *words)
    root = tmp_path / "home/1/checkpoints"
    before = {path.name: (path / "manifest.json").stat().st_mtime_ns for path in root.glob("step-*")}
    # From a copy, as of a backup; the first to come is that of step 6.
    shutil.copytree(root / "step-00000003", tmp_path / "copy/step-00000003")
    for path in root.glob("step-*"):
        if path.name < "step-00000009":
            shutil.rmtree(path)
    done = train(tmp_path, "resume", "1", "--checkpoint", str(tmp_path / "copy/step-00000003"))
    assert done.returncode == 0, done.stderr
    after = {path.name: (path / "manifest.json").stat().st_mtime_ns for path in root.glob("step-*")}
    assert set(before) - set(after) == {"step-00000003"}
    assert all(after[name] > max(before.values()) for name in after)
    assert {damage(root / name) for name in ("last", "best")} == {None}


def test_sigterm_saves_and_the_run_can_be_resumed(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "modrack", "train", "epochs=500", "--home", str(tmp_path / "home")]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch"):
                break
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
    assert process.returncode == 130
    shown = train(tmp_path, "runs", "show", "1")
    assert json.loads(shown.stdout)["status"] == "interrupted"
    again = train(tmp_path, "resume", "9")
    assert again.returncode == 2
    assert "There is no run 9" in again.stderr


def test_what_cannot_be_resumed_says_why(tmp_path: Path) -> None:
    assert train(tmp_path, "train", "steps=2", "limit=64").returncode == 0
    done = train(tmp_path, "resume", "1")
    assert (done.returncode, "Run 1 is finished" in done.stderr) == (2, True)


def test_a_changed_plugin_is_noticed(tmp_path: Path) -> None:
    words = ["--plugin", KILLER, "--callback", "killer", "callback.killer.at=8", *WORDS]
    train(tmp_path, "train", *words)
    kept = tmp_path / "home/1/plugins/killer.py"
    kept.write_text(kept.read_text() + "\n# changed\n")
    done = train(tmp_path, "resume", "1")
    assert done.returncode == 2
    assert "callback killer/killer was changed" in done.stderr
    assert train(tmp_path, "resume", "1", "--allow-changes").returncode == 0


def test_changed_rows_are_noticed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    rows = [f"{number},{number % 7},{'odd' if number % 2 else 'even'}" for number in range(200)]
    (data / "train.csv").write_text("\n".join(["a,b,label", *rows]))
    words = ["--plugin", KILLER, "--callback", "killer", "callback.killer.at=8", "checkpoint.every=3"]
    words += ["--dataset", "files", f"dataset.path={data}", "--model", "mlp", "batch_size=16", "epochs=3"]
    assert train(tmp_path, "train", *words).returncode == -signal.SIGKILL
    (data / "train.csv").write_text("\n".join(["a,b,label", "9,9,even", *rows[1:]]))
    done = train(tmp_path, "resume", "1")
    assert done.returncode == 2
    assert "the rows of train are not the same" in done.stderr
    assert "--allow-changes" in done.stderr
    assert train(tmp_path, "resume", "1", "--allow-changes").returncode == 0


def test_ctrl_c_twice_is_obeyed(tmp_path: Path) -> None:
    slow = tmp_path / "slow.py"
    slow.write_text(
        "import modrack\n@modrack.callback\nclass Slow:\n    '''Sleeps.'''\n"
        "    def stepped(self, training):\n        import time\n"
        "        print('step', flush=True)\n        time.sleep(60)\n"
    )
    words = [sys.executable, "-m", "modrack", "train", "--plugin", str(slow), "--callback", "slow", "-q"]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
    assert process.returncode == 130
