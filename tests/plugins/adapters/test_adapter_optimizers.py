"""torch/* among the optimizers: torch's own, with torch's own defaults."""

from __future__ import annotations

import inspect

import pytest
import torch

from modrack_registry.errors import UserError

OFFERED = {
    "torch/adadelta", "torch/adafactor", "torch/adagrad", "torch/adam", "torch/adamax", "torch/adamw", "torch/asgd",
    "torch/nadam", "torch/radam", "torch/rmsprop", "torch/rprop", "torch/sgd",
}  # fmt: skip


def test_every_optimizer_is_offered_or_refused_with_a_reason(registry):
    classes = {
        f"torch/{name.lower()}"
        for name in torch.optim.__all__
        if inspect.isclass(getattr(torch.optim, name)) and name != "Optimizer"
    }
    offered = {member.name for member in registry.listing("optimizer", "torch/*")}
    assert offered >= OFFERED
    for name in classes - offered:
        with pytest.raises(UserError, match=f"There is no optimizer {name}: it .+"):
            registry.find("optimizer", name)
    assert {"torch/lbfgs", "torch/muon", "torch/sparseadam"} <= classes - offered


@pytest.mark.parametrize("name", sorted(OFFERED))
def test_it_moves_as_torchs_own_does(make, registry, name):
    kind = next(getattr(torch.optim, each) for each in torch.optim.__all__ if f"torch/{each.lower()}" == name)
    defaults = {key: each.default for key, each in inspect.signature(kind.__init__).parameters.items()}
    for option in registry.find("optimizer", name).options.values():
        assert option.default == defaults[option.name], option.name
    ours, theirs = weights(), weights()
    for optimizer, mine in ((make("optimizer", name, {"params": [{"params": ours}]}), ours), (kind(theirs), theirs)):
        for _ in range(5):
            optimizer.zero_grad()
            torch.stack([weight.square().sum() for weight in mine]).sum().backward()
            optimizer.step()
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


def weights():
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in ((4, 3), (3,))]


def test_options_are_typed_as_anywhere(make, registry):
    made = make("optimizer", "torch/adam", {"params": weights()}, betas="0.8,0.99", lr="0.3", foreach="none")
    assert made.defaults["betas"] == (0.8, 0.99)
    assert made.defaults["lr"] == 0.3
    options = registry.find("optimizer", "torch/adam").options
    assert options["lr"].label == "float"
    assert options["betas"].label == "tuple[float, float]"
    assert "learning rate" in options["lr"].help
    assert "differentiable" not in options
    assert "params" not in options


def test_what_torch_refuses_is_the_users_mistake(make):
    with pytest.raises(UserError, match="optimizer torch/sgd: Invalid learning rate"):
        make("optimizer", "torch/sgd", {"params": weights()}, lr=-1.0)
    with pytest.raises(UserError, match="Nesterov momentum requires a momentum"):
        make("optimizer", "torch/sgd", {"params": weights()}, nesterov=True)


def test_they_conform(conforms):
    assert conforms("torch/adadelta", "torch/rprop", "torch/adafactor") == 3 * 7
