"""The repeated layers are found in models of several makes, and computing them twice changes nothing but memory."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from modrack.runner.layers import repeated_layers
from modrack.runner.parts import Parts
from modrack.runner.recompute import counting_saved, recompute_layers
from modrack_registry.errors import UserError

CPU = torch.device("cpu")


class Block(nn.Module):
    """With noise, running statistics and power iterations: all that a second forward could change."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.BatchNorm1d(4 * width), nn.Dropout(0.3))
        self.out = nn.utils.parametrizations.spectral_norm(nn.Linear(4 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = x + self.out(self.body(x))
        return made


class Net(nn.Module):
    def __init__(self, width: int = 16, depth: int = 4) -> None:
        super().__init__()
        self.first = nn.Linear(8, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        made: torch.Tensor = self.head(x)
        return made


def bert() -> nn.Module:
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=32)
    return BertForSequenceClassification(config)


def gpt() -> nn.Module:
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(GPT2Config(vocab_size=50, n_positions=16, n_embd=16, n_layer=2, n_head=2))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (Net, [f"blocks.{i}" for i in range(4)]),
        (bert, [f"bert.encoder.layer.{i}" for i in range(3)]),
        (gpt, ["transformer.h.0", "transformer.h.1"]),
        (
            lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2), 2, enable_nested_tensor=False),
            ["layers.0", "layers.1"],
        ),
        (lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Linear(4, 4), nn.Linear(4, 4)), []),
        (lambda: nn.LSTM(4, 4), []),
    ],
    ids=["list", "bert", "gpt2", "torch", "plain", "lstm"],
)
def test_repeated_layers(make: Any, expected: list[str]) -> None:
    assert list(repeated_layers(make())) == expected


def learned(asked: Any, steps: int = 3) -> tuple[list[torch.Tensor], int]:
    """(losses, gradients and buffers of some steps; the bytes that one forward saved)."""
    torch.manual_seed(0)
    net = Net()
    recompute_layers(Parts({"model": net}), asked)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    generator = torch.Generator().manual_seed(1)
    found: list[torch.Tensor] = []
    saved = 0
    for _ in range(steps):
        x, target = torch.randn(32, 8, generator=generator), torch.randint(3, (32,), generator=generator)
        with counting_saved([net]) as counted:
            loss = F.cross_entropy(net(x), target)
        saved = sum(counted)
        loss.backward()
        found += [loss.detach(), *(p.grad.clone() for p in net.parameters() if p.grad is not None)]
        optimizer.step()
        optimizer.zero_grad()
    return [*found, *(buffer.clone() for buffer in net.buffers()), torch.get_rng_state()], saved


def test_computing_twice_changes_nothing_but_memory() -> None:
    plain, much = learned("none")
    for asked, most in (("all", 0.25), (["blocks.*"], 0.25), (["blocks.[01]"], 0.7)):
        again, little = learned(asked)
        assert len(again) == len(plain)
        assert all(torch.equal(one, other) for one, other in zip(plain, again, strict=True))
        assert little < most * much


def test_evaluation_computes_once() -> None:
    net = Net()
    recompute_layers(Parts({"model": net}), "all")
    calls: list[int] = []
    net.blocks[0].body[0].register_forward_hook(lambda *_: calls.append(1))
    net.eval()
    net(torch.randn(4, 8)).sum().backward()
    with torch.no_grad():
        net.train()(torch.randn(4, 8))
    assert len(calls) == 2
    net(torch.randn(4, 8)).sum().backward()
    assert len(calls) == 4


@pytest.mark.parametrize("make", [bert, gpt], ids=["bert", "gpt2"])
def test_transformers_compute_twice_alike(make: Any) -> None:
    made = []
    for asked in ("none", "all"):
        torch.manual_seed(0)
        model = make().train()
        assert recompute_layers(Parts({"model": model}), asked) == (
            0 if asked == "none" else len(repeated_layers(model))
        )
        torch.manual_seed(1)
        ids = torch.arange(12).reshape(2, 6)
        # With a mask: a decoder that collected keys twice would not fit it.
        mask = torch.ones_like(ids)
        mask[0, 4:] = 0
        model(input_ids=ids, attention_mask=mask).logits.square().sum().backward()
        made.append([p.grad for p in model.parameters() if p.grad is not None])
    assert len(made[0]) == len(made[1]) > 0
    assert all(torch.equal(one, other) for one, other in zip(*made, strict=True))


def test_names_that_fit_nothing_are_told() -> None:
    parts = Parts({"model": Net()})
    with pytest.raises(UserError, match="recompute=block: no module has such a name"):
        recompute_layers(parts, ["block"])
    with pytest.raises(UserError, match="no repeated layers"):
        recompute_layers(Parts({"model": nn.Linear(2, 2)}), "all")
    # A list of layers is never called itself.
    with pytest.raises(UserError, match="no module has such a name"):
        recompute_layers(parts, ["blocks"])
    assert recompute_layers(parts, ["blocks*"]) == 4
