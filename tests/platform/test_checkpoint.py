"""A checkpoint is whole or not there, holds no pickle, and says when it was damaged."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from modrack.runner.checkpoint import damage, load_parts, load_state, load_weights, save_checkpoint, save_weights
from modrack.runner.parts import Parts
from modrack.runner.trees import pack, unpack
from modrack_registry.errors import RunFailed


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 3)
        self.head = nn.Linear(3, 5, bias=False)
        self.head.weight = self.embedding.weight


def net() -> Parts:
    torch.manual_seed(0)
    return Parts({"model": nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))})


def test_weights_and_state_come_back(tmp_path: Path) -> None:
    parts = net()
    parts.model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(parts.parameters())
    parts.model(torch.randn(2, 1, 5, 5)).sum().backward()
    optimizer.step()
    state = {"step": 3, "optimizers": {"model": optimizer.state_dict()}, "betas": (0.9, 0.99), "none": None}
    folder = save_checkpoint(tmp_path, 3, parts, state, keep=1, best=True)
    assert damage(folder) is None
    assert not [path for path in folder.rglob("*") if path.suffix in (".pt", ".bin", ".pkl")]

    other = net()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    load_parts(tmp_path / "checkpoints/last", other)
    for name, tensor in parts.model.state_dict().items():
        assert torch.equal(tensor, other.model.state_dict()[name])
    loaded = load_state(tmp_path / "checkpoints/best")
    assert loaded["betas"] == (0.9, 0.99)
    fresh = torch.optim.AdamW(other.parameters())
    fresh.load_state_dict(loaded["optimizers"]["model"])
    for mine, theirs in zip(optimizer.state.values(), fresh.state.values(), strict=True):
        assert all(torch.equal(mine[key], theirs[key]) for key in mine)


def test_shared_weights_are_written_once_and_stay_shared(tmp_path: Path) -> None:
    module = Tied()
    save_weights(module, tmp_path / "w.safetensors")
    other = Tied()
    load_weights(other, tmp_path / "w.safetensors")
    assert torch.equal(other.head.weight, module.embedding.weight)
    assert other.head.weight.data_ptr() == other.embedding.weight.data_ptr()


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    save_weights(nn.Linear(2, 2, bias=False), tmp_path / "w.safetensors")
    with pytest.raises(RunFailed, match="lacks"):
        load_weights(nn.Linear(2, 2), tmp_path / "w.safetensors")


def test_weights_of_other_shapes_are_refused(tmp_path: Path) -> None:
    save_weights(nn.Linear(2, 3, bias=False), tmp_path / "w.safetensors")
    with pytest.raises(RunFailed, match=r"weight is \(3, 2\) there, and \(4, 2\) in the model"):
        load_weights(nn.Linear(2, 4, bias=False), tmp_path / "w.safetensors")


def test_only_the_newest_and_the_best_stay(tmp_path: Path) -> None:
    for step, best in ((1, True), (2, False), (3, False)):
        save_checkpoint(tmp_path, step, net(), {"step": step}, keep=1, best=best)
    root = tmp_path / "checkpoints"
    assert sorted(path.name for path in root.iterdir()) == ["best", "last", "step-00000001", "step-00000003"]
    assert load_state(root / "best")["step"] == 1
    assert load_state(root / "last")["step"] == 3


@pytest.mark.parametrize("file", ["model.safetensors", "state.json", "state.safetensors"])
def test_a_flipped_byte_or_a_missing_file_is_noticed(tmp_path: Path, file: str) -> None:
    folder = save_checkpoint(tmp_path, 1, net(), {"t": torch.ones(3)}, keep=1, best=False)
    content = bytearray((folder / file).read_bytes())
    content[-1] ^= 1
    (folder / file).write_bytes(content)
    assert damage(folder) == f"{file} is not as it was written"
    (folder / file).unlink()
    assert damage(folder) == f"{file} is missing"


def test_state_that_is_neither_tensor_nor_json_is_refused() -> None:
    with pytest.raises(TypeError, match="state/key is a set"):
        pack({"key": {1}}, {}, "state")


def test_keys_that_look_alike_keep_their_tensors() -> None:
    one, two = torch.ones(2), torch.zeros(2)
    for tree in ({"m": {1: one, "1": two}}, {"a/b": one, "a": {"b": two}}):
        tensors: dict[str, torch.Tensor] = {}
        told = unpack(json.loads(json.dumps(pack(tree, tensors, "state"))), tensors)
        assert str(told) == str(tree)


def test_trees_keep_their_shape() -> None:
    tree = {"a": [1, (2.5, None)], 0: {"b": torch.arange(3)}, "$map": True}
    tensors: dict[str, torch.Tensor] = {}
    text = json.dumps(pack(tree, tensors, "t"))
    back = unpack(json.loads(text), tensors)
    assert back["a"] == [1, (2.5, None)]
    assert torch.equal(back[0]["b"], torch.arange(3))
    assert back["$map"] is True


def test_a_kill_in_the_middle_leaves_whole_checkpoints(tmp_path: Path) -> None:
    code = (
        "import sys, torch; from pathlib import Path; from torch import nn\n"
        "from modrack.runner.checkpoint import save_checkpoint\n"
        "from modrack.runner.parts import Parts\n"
        "parts = Parts({'model': nn.Linear(1500, 1500)})\n"
        "print('ready', flush=True)\n"
        "for step in range(10_000):\n"
        "    save_checkpoint(Path(sys.argv[1]), step, parts, {'step': step}, keep=2, best=step % 3 == 0)\n"
    )
    for turn in range(4):
        folder = tmp_path / str(turn)
        process = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.15 + 0.07 * turn)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        root = folder / "checkpoints"
        for step in root.glob("step-*"):
            assert damage(step) is None
        for link in (root / "last", root / "best"):
            if link.is_symlink():
                assert damage(link) is None
