"""Adapters beside frozen weights: what learns, what is kept, and what is told where they cannot be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import modrack
from modrack.configure.settings import Settings
from modrack.runner.lora import add_adapters
from modrack.runner.parts import Parts

pytest.importorskip("peft")
TINY = {
    "model": "bert", "dataset": "names", "model.pretrained": False, "model.width": 32, "model.layers": 2,
    "model.heads": 2, "limit": 256, "batch_size": 32, "epochs": 1, "device": "cpu", "threads": 1, "lora.rank": 4,
}  # fmt: skip


def weights(run, name: str = "last") -> dict[str, torch.Tensor]:
    return load_file(Path(run.folder) / "checkpoints" / name / "model.safetensors")


def test_only_adapters_and_the_head_learn(tmp_path):
    run = modrack.train(home=tmp_path, **TINY | {"checkpoint.every": 1, "checkpoint.keep": 99})
    first = load_file(sorted((Path(run.folder) / "checkpoints").glob("step-*"))[0] / "model.safetensors")
    last = weights(run)
    moved = {name for name in last if not torch.equal(first[name], last[name])}
    assert any(".lora_B." in name for name in moved)
    assert any(name.startswith("classifier") for name in moved)
    assert {name for name in moved if "lora_" not in name and not name.startswith("classifier")} == set()
    # Six linear layers in each of the two blocks, each with an adapter of the rank that was asked for.
    assert {tensor.shape[0] for name, tensor in last.items() if ".lora_A." in name} == {4}
    assert sum(".lora_A." in name for name in last) >= 12


def test_a_stored_model_is_rebuilt_with_its_adapters_and_training_repeats(tmp_path):
    run = modrack.train(home=tmp_path, **TINY)
    kept = weights(run, "best")
    found = run.load_model().state_dict()
    assert any("lora_A" in name for name in found)
    assert all(torch.equal(found[name], tensor) for name, tensor in kept.items())
    again = modrack.train(home=tmp_path, **TINY)
    assert again.metrics["test.loss"] == run.metrics["test.loss"]


def test_layers_are_chosen_by_pattern(tmp_path):
    run = modrack.train(home=tmp_path, **TINY | {"lora.layers": ["*.query", "*.value"], "steps": 2})
    chosen = {name.partition(".lora_A.")[0].rpartition(".")[2] for name in weights(run) if ".lora_A." in name}
    assert chosen == {"query", "value"}


def test_a_layer_whose_name_ends_as_another_is_another():
    inner = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Linear(8, 3))
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 8), torch.nn.ReLU(), inner)
    add_adapters(Parts.of(net, "net"), replace(Settings(), lora_rank=2))
    learning = {name for name, weight in net.named_parameters() if weight.requires_grad}
    assert learning == {"1.lora_A.default.weight", "1.lora_B.default.weight", "3.1.weight", "3.1.bias"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"lora.layers": ["*.qery"]}, "lora.layers=*.qery: no linear layer has such a name."),
        ({"lora.rank": None, "lora.layers": ["*.query"]}, "lora.layers is said, but lora.rank is not."),
        ({"lora.rank": 0}, "lora.rank"),
    ],
)
def test_mistakes_are_told_before_a_run_is_recorded(tmp_path, words, said):
    wanted = {name: value for name, value in (TINY | words).items() if value is not None}
    with pytest.raises(modrack.UserError) as caught:
        modrack.train(home=tmp_path, **wanted)
    assert said in str(caught.value)
    assert not list(tmp_path.glob("[0-9]*"))


def test_a_model_without_linear_layers_below_its_head_cannot(tmp_path):
    small = {"model": "gru", "dataset": "names", "limit": 64, "steps": 1, "device": "cpu", "lora.rank": 4}
    with pytest.raises(modrack.UserError, match="no linear layer below its head"):
        modrack.train(home=tmp_path, **small)


def test_a_checkpoint_with_adapters_is_no_checkpoint_of_another_model(tmp_path):
    run = modrack.train(home=tmp_path, **TINY)
    words = {name: value for name, value in TINY.items() if not name.startswith(("lora.", "model."))}
    with pytest.raises(modrack.UserError, match=r"trained with lora\.rank"):
        modrack.train(home=tmp_path, **words | {"model.checkpoint": f"{run.folder}/checkpoints/best"})
