"""A safetensors file written piece by piece is read by the library as any other."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from modrack.runner.tensor_file import write_tensors


def test_what_is_written_is_read_by_the_library(tmp_path: Path) -> None:
    tensors = {
        "weight": torch.randn(3, 5), "half": torch.randn(7).bfloat16(), "mask": torch.tensor([True, False]),
        "count": torch.tensor(3), "none": torch.zeros(0, 4), "turned": torch.randn(4, 3).t(),
        "double": torch.randn(2).double(),
    }  # fmt: skip
    known = {name: (tuple(each.shape), each.dtype) for name, each in tensors.items()}
    write_tensors(tmp_path / "w.safetensors", known, iter(tensors.items()))
    loaded = load_file(tmp_path / "w.safetensors")
    assert loaded.keys() == tensors.keys()
    assert all(torch.equal(loaded[name], each) and loaded[name].dtype == each.dtype for name, each in tensors.items())
    with safe_open(tmp_path / "w.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}


@pytest.mark.parametrize(
    "given", [[], [("b", torch.zeros(2))], [("a", torch.zeros(3))], [("a", torch.zeros(2)), ("b", torch.zeros(2))]]
)
def test_other_tensors_than_announced_are_refused(given: list[tuple[str, torch.Tensor]], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"w\.safetensors"):
        write_tensors(tmp_path / "w.safetensors", {"a": ((2,), torch.float32)}, given)
