"""Optimizers that torch has, with names and defaults as the field knows them.

`params` are parameter groups; a group that says its own weight decay keeps it, so that norms and biases stay undecayed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt, Lt

import modrack

if TYPE_CHECKING:
    from torch.optim import Optimizer

LearningRate = Annotated[float, Gt(0), "learning rate"]
Decay = Annotated[float, Ge(0), "pull of weights towards zero; norms and biases are left out"]
Fused = Annotated[bool | None, "one kernel for all weights; none: where the plan says so"]


@modrack.optimizer
def sgd(
    params: Any,
    *,
    lr: LearningRate = 0.05,
    momentum: Annotated[float, Ge(0), Lt(1), "share of the last move that is kept"] = 0.9,
    nesterov: Annotated[bool, "look ahead along the momentum"] = True,
    weight_decay: Decay = 0.0,
    fused: Fused = None,
) -> Optimizer:
    """Stochastic gradient descent with momentum."""
    from torch.optim import SGD

    ahead = nesterov and momentum > 0
    return SGD(params, lr=lr, momentum=momentum, nesterov=ahead, weight_decay=weight_decay, fused=fused)


@modrack.optimizer
def adam(
    params: Any,
    *,
    lr: LearningRate = 1e-3,
    beta1: Annotated[float, Ge(0), Lt(1), "decay of the mean of gradients"] = 0.9,
    beta2: Annotated[float, Ge(0), Lt(1), "decay of the mean of their squares"] = 0.999,
    eps: Annotated[float, Gt(0), "keeps the division finite"] = 1e-8,
    weight_decay: Decay = 0.0,
    fused: Fused = None,
) -> Optimizer:
    """Adam (Kingma and Ba, ICLR 2015, arXiv 1412.6980)."""
    from torch.optim import Adam

    return Adam(params, lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay, fused=fused)


@modrack.optimizer
def adamw(
    params: Any,
    *,
    lr: LearningRate = 1e-3,
    beta1: Annotated[float, Ge(0), Lt(1), "decay of the mean of gradients"] = 0.9,
    beta2: Annotated[float, Ge(0), Lt(1), "decay of the mean of their squares"] = 0.999,
    eps: Annotated[float, Gt(0), "keeps the division finite"] = 1e-8,
    weight_decay: Decay = 0.01,
    fused: Fused = None,
) -> Optimizer:
    """Adam with weight decay apart from the gradient (Loshchilov and Hutter, ICLR 2019, arXiv 1711.05101)."""
    from torch.optim import AdamW

    return AdamW(params, lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay, fused=fused)


@modrack.optimizer
def rmsprop(
    params: Any,
    *,
    lr: LearningRate = 1e-3,
    alpha: Annotated[float, Ge(0), Lt(1), "decay of the mean of squared gradients"] = 0.99,
    momentum: Annotated[float, Ge(0), Lt(1), "share of the last move that is kept"] = 0.0,
    eps: Annotated[float, Gt(0), "keeps the division finite"] = 1e-8,
    weight_decay: Decay = 0.0,
) -> Optimizer:
    """RMSprop (Tieleman and Hinton, lecture 6.5 of "Neural networks for machine learning", 2012)."""
    from torch.optim import RMSprop

    return RMSprop(params, lr=lr, alpha=alpha, momentum=momentum, eps=eps, weight_decay=weight_decay)


@modrack.optimizer
def adagrad(
    params: Any,
    *,
    lr: LearningRate = 1e-2,
    lr_decay: Annotated[float, Ge(0), "how much the learning rate falls a step"] = 0.0,
    eps: Annotated[float, Gt(0), "keeps the division finite"] = 1e-10,
    weight_decay: Decay = 0.0,
    fused: Fused = None,
) -> Optimizer:
    """Adagrad (Duchi, Hazan and Singer, JMLR 12, 2011)."""
    from torch.optim import Adagrad

    on_cpu = all(weight.device.type == "cpu" for group in params for weight in group["params"])
    # torch has the fused kernel for CPUs only.
    return Adagrad(params, lr=lr, lr_decay=lr_decay, eps=eps, weight_decay=weight_decay, fused=bool(fused) and on_cpu)
