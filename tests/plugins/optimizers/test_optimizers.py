"""The built-in optimizers move weights as their formulas say, and as torch's own do."""

from __future__ import annotations

import math
from copy import deepcopy as copy_of

import pytest
import torch

from modrack_registry.errors import UserError
from modrack_registry.registry import load_registry

REGISTRY = load_registry()
STEPS = 6


def make(name, groups, **options):
    component = REGISTRY.find("optimizer", name)
    defaults = {each: option.default for each, option in component.options.items()}
    return component.make({"params": groups}, defaults | options)


def weights(*shapes):
    generator = torch.Generator().manual_seed(7)
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes or ((4, 3), (3,))]


def walk(optimizer, mine, steps=STEPS):
    for step in range(steps):
        optimizer.zero_grad()
        torch.stack([((step + 1) * weight - 0.3).square().sum() for weight in mine]).sum().backward()
        optimizer.step()
    return [weight.detach().clone() for weight in mine]


CASES = [
    ("sgd", {}, lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, nesterov=True)),
    ("sgd", {"momentum": 0.0, "lr": 0.01}, lambda p: torch.optim.SGD(p, 0.01)),
    ("sgd", {"nesterov": False, "weight_decay": 0.1}, lambda p: torch.optim.SGD(p, 0.05, 0.9, weight_decay=0.1)),
    ("adam", {}, lambda p: torch.optim.Adam(p, 1e-3)),
    (
        "adam",
        {"beta1": 0.8, "beta2": 0.95, "eps": 1e-3, "weight_decay": 0.1},
        lambda p: torch.optim.Adam(p, 1e-3, (0.8, 0.95), 1e-3, 0.1),
    ),
    ("adamw", {}, lambda p: torch.optim.AdamW(p, 1e-3, weight_decay=0.01)),
    ("adamw", {"lr": 0.1, "weight_decay": 0.5}, lambda p: torch.optim.AdamW(p, 0.1, weight_decay=0.5)),
    ("rmsprop", {}, lambda p: torch.optim.RMSprop(p, 1e-3)),
    (
        "rmsprop",
        {"alpha": 0.9, "momentum": 0.5, "weight_decay": 0.1},
        lambda p: torch.optim.RMSprop(p, 1e-3, 0.9, weight_decay=0.1, momentum=0.5),
    ),
    ("adagrad", {}, lambda p: torch.optim.Adagrad(p, 1e-2)),
    ("adagrad", {"lr_decay": 0.1, "weight_decay": 0.1}, lambda p: torch.optim.Adagrad(p, 1e-2, 0.1, 0.1)),
    ("adafactor", {}, lambda p: torch.optim.Adafactor(p, 1e-2)),
    (
        "adafactor",
        {"clip": 1.5, "beta2_decay": -0.5},
        lambda p: torch.optim.Adafactor(p, 1e-2, beta2_decay=-0.5, d=1.5),
    ),
]


@pytest.mark.parametrize(("name", "options", "own"), CASES)
def test_it_moves_as_torchs_own_does(name, options, own):
    ours, theirs = weights(), weights()
    moved = walk(make(name, [{"params": ours}], **options), ours)
    for one, other in zip(moved, walk(own(theirs), theirs), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "adagrad"])
def test_the_fused_kernel_gives_the_same(name):
    ours, theirs = weights(), weights()
    fused = walk(make(name, [{"params": ours}], fused=True), ours)
    for one, other in zip(fused, walk(make(name, [{"params": theirs}], fused=False), theirs), strict=True):
        torch.testing.assert_close(one, other)


def test_a_group_that_says_its_own_decay_keeps_it():
    for name in ("sgd", "adam", "adamw", "rmsprop", "adagrad", "adafactor"):
        decayed, kept = weights((3, 3), (3,))
        optimizer = make(name, [{"params": [decayed]}, {"params": [kept], "weight_decay": 0.0}], weight_decay=0.3)
        assert [group["weight_decay"] for group in optimizer.param_groups] == [0.3, 0.0], name


def test_the_first_steps_by_hand():
    (weight,) = weights((5,))
    before, gradient = weight.detach().clone(), torch.tensor([1.0, -2.0, 0.5, -0.1, 3.0])

    def first(name, **options):
        weight.data.copy_(before)
        weight.grad = gradient.clone()
        make(name, [{"params": [weight]}], **options).step()
        return weight.detach() - before

    # Nesterov: the gradient, and the first momentum times 0.9 on top.
    torch.testing.assert_close(first("sgd", lr=0.1), -0.1 * 1.9 * gradient)
    torch.testing.assert_close(first("sgd", lr=0.1, momentum=0.0), -0.1 * gradient)
    # Both means are corrected for their start at nought, and so leave the sign.
    torch.testing.assert_close(first("adam", lr=0.1, eps=1e-12), -0.1 * gradient.sign())
    torch.testing.assert_close(
        first("adamw", lr=0.1, eps=1e-12, weight_decay=0.2), -0.1 * gradient.sign() - 0.1 * 0.2 * before
    )
    torch.testing.assert_close(
        first("rmsprop", lr=0.1, alpha=0.99, eps=1e-12), -0.1 * gradient.sign() / math.sqrt(0.01)
    )
    torch.testing.assert_close(first("adagrad", lr=0.1, eps=1e-12), -0.1 * gradient.sign())


def test_muon_turns_matrices_and_leaves_the_rest_to_adamw():
    matrix, wide, bias, cube = weights((6, 4), (3, 40), (4,), (2, 2, 2))
    optimizer = make("muon", [{"params": [matrix, wide, bias, cube]}], lr=0.1, adamw_lr=0.01, largest=32)
    before = [each.detach().clone() for each in (matrix, wide, bias, cube)]
    theirs = [each.detach().clone().requires_grad_() for each in (wide, bias, cube)]
    walk(optimizer, [matrix, wide, bias, cube], 1)
    walk(torch.optim.AdamW(theirs, 0.01, weight_decay=0.0), theirs, 1)
    for one, other in zip((wide, bias, cube), theirs, strict=True):
        torch.testing.assert_close(one, other)
    # Newton and Schulz bring all singular values near one; a tall matrix moves by the root of its ratio more.
    moved = torch.linalg.svdvals((matrix.detach() - before[0]) / -0.1) / math.sqrt(6 / 4)
    assert moved.min() > 0.6
    assert moved.max() < 1.3
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.01]


def test_muon_knows_a_table_by_its_form():
    square, table, head = weights((8, 8), (90, 10), (2, 10))
    optimizer = make("muon", [{"params": [square, table, head]}])
    assert [group["params"] for group in optimizer.param_groups] == [[square, head], [table]]
    assert optimizer.param_groups[1]["betas"] == (0.9, 0.95)
    assert isinstance(make("muon", [{"params": [square, table]}], longest=9), torch.optim.Muon)


def test_muon_of_one_sort_alone_is_that_optimizer():
    (matrix,) = weights((4, 4))
    assert isinstance(make("muon", [{"params": [matrix]}]), torch.optim.Muon)
    (bias,) = weights((4,))
    assert isinstance(make("muon", [{"params": [bias]}]), torch.optim.AdamW)


def test_muon_goes_on_from_its_state():
    mine, copy = weights((4, 4), (4,)), weights((4, 4), (4,))
    optimizer = make("muon", [{"params": mine}])
    walk(optimizer, mine, 3)
    again = make("muon", [{"params": copy}])
    with torch.no_grad():
        for one, other in zip(copy, mine, strict=True):
            one.copy_(other)
    again.load_state_dict(copy_of(optimizer.state_dict()))  # torch would share its tensors
    for one, other in zip(walk(optimizer, mine, 3), walk(again, copy, 3), strict=True):
        assert torch.equal(one, other)
    # A schedule that changes a group here must change it in the optimizer that steps.
    again.param_groups[0]["lr"] = 0.5
    assert again.inner[0].param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("sgd", "lr", 0.0),
        ("sgd", "lr", -1.0),
        ("sgd", "momentum", 1.0),
        ("sgd", "weight_decay", -0.1),
        ("adafactor", "clip", 0.5),
    ],
)
def test_what_torch_would_not_take_is_out_of_bounds(name, option, value):
    with pytest.raises(ValueError, match=r"is not a float"):
        REGISTRY.find("optimizer", name).options[option].check(value)


def test_a_torch_without_muon(monkeypatch):
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(UserError, match="this torch has no Muon"):
        make("muon", [{"params": weights()}])
