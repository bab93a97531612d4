"""Runs whose weights no process holds whole: they end as others do, are used as others are, and go on elsewhere."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modrack.native.build import find_compiler

DEATH = str(Path(__file__).with_name("death.py"))
# 2 epochs of 6 steps of unequal micro-batches, with all that has state and nothing that draws noise by process.
WORDS = [
    "--plugin", DEATH, "--scheduler", "death", "--model", "transformer", "--dataset", "names",
    "model.pretrained=false", "model.width=32", "model.layers=2", "model.vocabulary=200", "model.dropout=0", "limit=93",
    "batch_size=16", "accumulate=2", "epochs=2", "ema=0.9", "clip=0.5", "checkpoint.every=3", "checkpoint.keep=3",
    "device=cpu", "precision=fp32", "threads=1", "log_every=2", "optimizer.lr=0.01",
]  # fmt: skip


def modrack(folder: Path, *words: str, processes: int = 1) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    start = [sys.executable]
    if processes > 1:
        start += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return subprocess.run(
        [*start, "-m", "modrack", *words],
        cwd=folder, capture_output=True, text=True, timeout=280, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def metrics(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["metrics"]
    return found


def home(folder: Path) -> Path:
    return folder / "modrack-runs"


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(home(folder) / "1/checkpoints/last/model.safetensors")


def assert_alike(one: Path, other: Path) -> None:
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert (tensor - second[name]).abs().max() < 2e-5, name


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The same by two processes that hold all weights."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, metrics(modrack(folder, "train", *WORDS, "parallel=ddp", "--json", processes=2))


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sharded run that was killed in its tenth step, with checkpoints at steps 3, 6 and 9."""
    folder = tmp_path_factory.mktemp("stopped")
    killed = modrack(folder, "train", *WORDS, "parallel=fsdp", "scheduler.at=10", "scheduler.rank=01", processes=2)
    assert killed.returncode != 0
    assert [path.name for path in sorted((home(folder) / "1/checkpoints").glob("step-*"))] == [
        "step-00000003", "step-00000006", "step-00000009",
    ]  # fmt: skip
    return folder


def copied(stopped: Path, to: Path) -> Path:
    subprocess.run(["cp", "-a", f"{stopped}/.", str(to)], check=True)
    return to


@pytest.mark.slow
def test_a_sharded_run_equals_a_whole_one_and_is_used_like_it(
    tmp_path: Path, whole: tuple[Path, dict[str, Any]]
) -> None:
    done = modrack(tmp_path, "train", *WORDS, "parallel=fsdp", "--json", processes=2)
    assert metrics(done) == pytest.approx(whole[1], rel=1e-5)
    assert_alike(tmp_path, whole[0])
    last = home(tmp_path) / "1/checkpoints/last"
    assert not (last / "sharded/weights").exists()
    assert not [path for path in last.rglob("*") if path.suffix not in (".json", ".safetensors", "") and path.is_file()]
    shown = json.loads(modrack(tmp_path, "runs", "show", "1", "--json").stdout)
    assert shown["plan"]["parallel"]["value"] == "fsdp"
    again = json.loads(modrack(tmp_path, "evaluate", "1", "--json").stdout)
    assert again["metrics"]["loss"] == pytest.approx(whole[1]["test.loss"], rel=1e-5)
    said = [modrack(folder, "predict", "1", "Emma", "--json").stdout for folder in (tmp_path, whole[0])]
    labels = [json.loads(each.splitlines()[0])["label"] for each in said]
    assert labels[0] == labels[1]


@pytest.mark.slow
def test_a_process_that_dies_is_started_again_and_the_run_ends_alike(tmp_path: Path) -> None:
    ended = []
    for name, at in (("whole", 0), ("broken", 11)):
        words = [*WORDS, "parallel=fsdp", "--processes", "2", "--restarts", "1", f"scheduler.at={at}", "--json"]
        ended.append(metrics(modrack(tmp_path / name, "train", *words)))
    assert (tmp_path / "broken/killed-1").exists()
    assert ended[0] == ended[1]
    digests = [
        hashlib.sha256((home(tmp_path / name) / "1/checkpoints/last/model.safetensors").read_bytes()).hexdigest()
        for name in ("whole", "broken")
    ]
    assert digests[0] == digests[1]


@pytest.mark.slow
@pytest.mark.parametrize(("processes", "layout"), [(1, "1 process"), (3, "3 processes (fsdp)")])
def test_other_processes_go_on(
    processes: int, layout: str, tmp_path: Path, stopped: Path, whole: tuple[Path, dict[str, Any]]
) -> None:
    folder = copied(stopped, tmp_path)
    done = modrack(folder, "resume", "1", "--json", processes=processes)
    assert metrics(done) == pytest.approx(whole[1], rel=1e-4)
    assert f"was trained by 2 processes (fsdp) and goes on with {layout}" in done.stderr
    assert_alike(folder, whole[0])


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 3])
def test_other_processes_go_on_with_whole_weights(
    processes: int, tmp_path: Path, whole: tuple[Path, dict[str, Any]]
) -> None:
    """DistributedDataParallel alone: a run of two goes on in one, and in three."""
    killed = modrack(tmp_path, "train", *WORDS, "parallel=ddp", "scheduler.at=8", "scheduler.rank=01", processes=2)
    assert killed.returncode != 0
    done = modrack(tmp_path, "resume", "1", "--json", processes=processes)
    assert metrics(done) == pytest.approx(whole[1], rel=1e-4)
    assert "was trained by 2 processes (ddp) and goes on with" in done.stderr
    assert_alike(tmp_path, whole[0])


@pytest.mark.slow
@pytest.mark.parametrize("task", ["gan", "wgan-gp"])
def test_a_gan_is_sharded_and_callbacks_ask_it(task: str, tmp_path: Path) -> None:
    """Two parts that learn in turn; the pictures are drawn by all processes together and kept once."""
    words = [
        "--model", "dcgan", "--task", task, "--callback", "samples", "epochs=2", "limit=96", "batch_size=24",
        "model.width=4", "accumulate=2", "ema=0.9", "clip=1", "device=cpu", "precision=fp32", "threads=1", "--json",
    ]  # fmt: skip
    made = [
        metrics(modrack(tmp_path / how, "train", *words, f"parallel={how}", processes=2)) for how in ("ddp", "fsdp")
    ]
    assert made[1] == pytest.approx(made[0], rel=1e-4)
    pictures = [
        sorted(path.name for path in (home(tmp_path / how) / "1/pictures").iterdir()) for how in ("ddp", "fsdp")
    ]
    assert pictures[0] == pictures[1] == ["samples-00000004.png", "samples-00000008.png"]
    last = (home(tmp_path / "fsdp") / "1/checkpoints/last").resolve()
    assert {path.parent.name for path in last.rglob("model.safetensors")} == {"generator", "discriminator"}


@pytest.mark.slow
def test_a_run_of_one_process_goes_on_sharded(tmp_path: Path, whole: tuple[Path, dict[str, Any]]) -> None:
    killed = modrack(tmp_path, "train", *WORDS, "parallel=fsdp", "scheduler.at=8", "scheduler.rank=0")
    assert killed.returncode != 0
    assert not (home(tmp_path) / "1/checkpoints/last/sharded").exists()
    done = modrack(tmp_path, "resume", "1", "--json", processes=2)
    assert metrics(done) == pytest.approx(whole[1], rel=1e-4)
    assert "was trained by 1 process and goes on with 2 processes (fsdp)" in done.stderr
    assert_alike(tmp_path, whole[0])


@pytest.mark.slow
def test_damaged_shards_are_told_and_the_one_before_is_taken(
    tmp_path: Path, stopped: Path, whole: tuple[Path, dict[str, Any]]
) -> None:
    folder = copied(stopped, tmp_path)
    newest, second = (home(folder) / f"1/checkpoints/step-0000000{step}" for step in (9, 6))
    shard = newest / "sharded/weights/shard-00002-model-00001-of-00001.safetensors"
    content = bytearray(shard.read_bytes())
    content[-3] ^= 1
    shard.write_bytes(content)
    (second / "sharded/state/shard-00001-model-00001-of-00001.safetensors").unlink()
    done = modrack(folder, "resume", "1", "--json", processes=2)
    assert metrics(done) == pytest.approx(whole[1], rel=1e-5)
    assert f"step-00000009 is damaged (sharded/weights/{shard.name} is not as it was written)" in done.stderr
    assert (
        "step-00000006 is damaged (sharded/state/shard-00001-model-00001-of-00001.safetensors is missing)"
        in done.stderr
    )


@pytest.mark.slow
def test_a_pickle_among_the_shards_is_told(tmp_path: Path, stopped: Path) -> None:
    folder = copied(stopped, tmp_path)
    newest = home(folder) / "1/checkpoints/step-00000009"
    (newest / "sharded/weights/.metadata").write_bytes(b"\x80\x04cos\nsystem\n.")
    done = modrack(folder, "resume", "1", "--checkpoint", str(newest))
    assert done.returncode == 2
    assert "sharded/weights/.metadata does not belong to it" in done.stderr


@pytest.mark.slow
def test_a_stopped_sharded_run_can_be_asked(tmp_path: Path, stopped: Path) -> None:
    """Its shards are put together when the model is loaded."""
    said = modrack(copied(stopped, tmp_path), "predict", "1", "Emma", "--checkpoint", "last", "--json")
    assert said.returncode == 0, said.stderr
    assert "label" in json.loads(said.stdout.splitlines()[0])


@pytest.mark.slow
def test_the_plan_says_why(tmp_path: Path) -> None:
    done = modrack(tmp_path, "train", *WORDS, "parallel=fsdp", "--dry-run", "--processes", "2")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[:4] for line in lines if line[:1] == ["parallel"]] == [["parallel", "fsdp", "asked", "for"]]
    assert [line[1] for line in lines if line[:1] == ["processes"]] == ["2"]
    assert not list(home(tmp_path).glob("[0-9]*"))


# Takes the weights of its layers without calling them.
PEEKING = '''
import modrack

@modrack.model(takes="image", gives="logits")
def peeking(data):
    """One."""
    from torch import nn
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(nn.Sequential(nn.Linear(64, 64)) for _ in range(2))
            self.head = nn.Linear(64, len(data.classes))
        def forward(self, x):
            x = x.flatten(1)
            for layer in self.layers:
                x = (x @ layer[0].weight).relu()
            return self.head(x)
    return Net()
'''


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--optimizer", "adafactor"], "optimizer adafactor cannot move sharded weights"),
        (["--plugin", "peeking.py", "--model", "peeking"], "the model cannot learn sharded"),
    ],
)
def test_what_cannot_be_sharded_is_refused_before_it_is_recorded(words: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "peeking.py").write_text(PEEKING)
    settings = ["limit=32", "batch_size=8", "device=cpu", "threads=1", "model.width=4"]
    chosen = [*words, *settings[: 5 if "adafactor" in words else 4], "parallel=fsdp"]
    done = modrack(tmp_path, "train", *chosen, "--processes", "2")
    assert done.returncode == 2
    assert f"parallel=fsdp: {said}" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert not list(home(tmp_path).glob("[0-9]*"))


@pytest.mark.slow
@pytest.mark.skipif(find_compiler() is None, reason="there is no C compiler")
def test_a_bert_in_bf16_learns_the_same_sharded_by_two_and_by_other_kernels(tmp_path: Path) -> None:
    """Layers of a known family may be computed by kernels in C, which sharded weights keep out."""
    words = [
        "train", "--json", "--model", "bert", "--dataset", "names", "model.pretrained=false", "model.width=64",
        "model.layers=2", "model.heads=2", "model.dropout=0", "limit=120", "batch_size=16", "epochs=1", "device=cpu",
        "precision=bf16", "threads=1", "optimizer.lr=0.001",
    ]  # fmt: skip
    whole = metrics(modrack(tmp_path / "torch", *words, "kernels=torch"))
    for name, processes, more in (
        ("native", 1, "kernels=native"), ("ddp", 2, "kernels=native"), ("fsdp", 2, "parallel=fsdp"),
    ):  # fmt: skip
        found = metrics(modrack(tmp_path / name, *words, more, processes=processes))
        for value in ("train.loss", "validation.loss", "test.loss"):
            assert found[value] == pytest.approx(whole[value], rel=1e-3), (name, value)
