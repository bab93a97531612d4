"""The optimizers of torch.optim, with torch's own names, options and defaults: `--optimizer torch/adadelta`."""

from __future__ import annotations

from typing import Any

import modrack
from modrack_plugins.adapters.signatures import carry, options_of, summary_of

# `differentiable` is for those who differentiate through the step, which the runner never does.
_SKIP = ("params", "differentiable")
_REFUSED = {
    "lbfgs": "it evaluates the loss several times a step, through a function that the runner has not to give.",
    "muon": "it moves matrices only. The built-in one moves the other weights too: --optimizer muon.",
    "sparseadam": "it takes sparse gradients only, and the gradients here are dense. See torch/adam.",
}


@modrack.hook
def modrack_families() -> list[modrack.Family]:
    """torch/* among the optimizers."""
    return [
        modrack.Family("optimizer", "torch", _names, _make, library="torch", refused=_REFUSED),
    ]


def _names() -> dict[str, str]:
    return {name: summary_of(made) for name, made in _classes().items() if name not in _REFUSED}


def _classes() -> dict[str, Any]:
    import inspect

    from torch import optim

    found = {name: getattr(optim, name) for name in optim.__all__}
    return {
        name.lower(): made
        for name, made in sorted(found.items())
        if inspect.isclass(made) and issubclass(made, optim.Optimizer) and made is not optim.Optimizer
    }


def _make(name: str) -> Any:
    made = _classes()[name]
    options = options_of(made.__init__, made.__doc__, _SKIP)

    def optimizer(params: Any, **options: Any) -> Any:
        from torch.optim import Adagrad

        groups = list(params)
        if made is Adagrad and any(weight.device.type != "cpu" for group in groups for weight in group["params"]):
            options["fused"] = False  # torch has this one for CPUs only.
        try:
            return made(groups, **options)
        except ValueError as error:
            raise modrack.UserError(f"optimizer torch/{name}: {error}.") from None

    doc = f"{summary_of(made)}.\n\ntorch.optim.{made.__name__}, with its own defaults."
    return modrack.optimizer(carry(optimizer, ("params",), options, doc))
