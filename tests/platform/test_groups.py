"""Which weights learn, how fast, and which are decayed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import modrack
from modrack.runner.figures import peak_flops
from modrack.runner.groups import freeze, parameter_groups
from modrack.runner.parts import Parts
from modrack_registry.errors import UserError


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(5, 4)
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
        self.head = nn.Linear(4, 2)


def names(part: nn.Module, groups: list[dict[str, Any]]) -> list[tuple[set[str], float, float]]:
    known = {id(parameter): name for name, parameter in part.named_parameters()}
    return [
        ({known[id(parameter)] for parameter in group["params"]}, group.get("lr", 0), group.get("weight_decay", 0))
        for group in groups
    ]


def test_vectors_are_not_decayed() -> None:
    part = Encoder()
    matrices, vectors = names(part, parameter_groups(part, 0.1))
    assert all(name.endswith("weight") for name in matrices[0])
    assert all(name.endswith("bias") for name in vectors[0])
    assert (matrices[2], vectors[2]) == (0.1, 0.0)
    assert len(parameter_groups(part, 0.0)) == 1


def test_each_layer_learns_slower_than_the_one_above() -> None:
    part = Encoder()
    rates = {name: lr for group, lr, _ in names(part, parameter_groups(part, 0.1, 1.0, 0.5)) for name in group}
    assert rates["head.weight"] == rates["head.bias"] == 1.0
    assert rates["layers.2.weight"] == 0.5
    assert rates["layers.0.bias"] == 0.125
    assert rates["embeddings.weight"] == 0.0625
    assert len(rates) == 9


def test_freezing_by_pattern(tmp_path: Path) -> None:
    part = Encoder()
    freeze(Parts.of(part, "x"), ["embeddings*", "layers.[01].*"])
    learning = {name for name, parameter in part.named_parameters() if parameter.requires_grad}
    assert learning == {"layers.2.weight", "layers.2.bias", "head.weight", "head.bias"}
    with pytest.raises(UserError, match="no weight has such a name"):
        freeze(Parts.of(part, "x"), ["encoder.*"])


def test_frozen_weights_stay_and_the_record_says_what_it_cost(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    small = {"model.width": 4, "model.hidden": 8, "limit": 64, "threads": 1, "home": tmp_path}
    runs = [modrack.train(epochs=epochs, freeze=["0.*"], **small) for epochs in (1, 2)]
    first, second = (load_file(run.folder / "checkpoints/last/model.safetensors") for run in runs)
    assert (first["0.weight"] == second["0.weight"]).all()
    assert not (first["3.weight"] == second["3.weight"]).all()
    assert runs[0].extra["peak_memory"] > 50 << 20
    assert runs[0].extra["flops_per_second"] > 0
    assert json.dumps(runs[0].extra)


def test_peaks_by_name() -> None:
    import torch

    cuda = torch.device("cuda")
    assert peak_flops(cuda, "NVIDIA H100 80GB HBM3") == 989e12
    assert peak_flops(cuda, "NVIDIA H100 PCIe") == 756e12
    assert peak_flops(cuda, "NVIDIA L40S") == 362e12
    assert peak_flops(cuda, "Tesla T4") == 65e12
    assert peak_flops(cuda, "Unknown 1") is None
    assert peak_flops(torch.device("cpu")) is None
