"""Muon for matrices, AdamW for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt, Lt

import modrack

if TYPE_CHECKING:
    from torch.optim import Optimizer


@modrack.optimizer
def muon(
    params: Any,
    *,
    lr: Annotated[float, Gt(0), "learning rate of matrices"] = 0.02,
    momentum: Annotated[float, Ge(0), Lt(1), "share of the last move that is kept"] = 0.95,
    adamw_lr: Annotated[float, Gt(0), "learning rate of everything else"] = 1e-3,
    weight_decay: Annotated[float, Ge(0), "pull of weights towards zero; norms and biases are left out"] = 0.0,
    beta2: Annotated[float, Ge(0), Lt(1), "AdamW's decay of the mean of squared gradients"] = 0.95,
    largest: Annotated[int, Gt(0), "a matrix with a longer side is an embedding or a head, and left to AdamW"] = 8192,
    longest: Annotated[float, Ge(1), "so is one that is more than so many times as long as wide"] = 8.0,
) -> Optimizer:
    """Muon (K. Jordan et al., 2024, kellerjordan.github.io/posts/muon) for matrices, AdamW for all other weights.

    Needs a torch that has torch.optim.Muon (2.9 or newer). Schedules scale both learning rates alike.
    """
    from torch import optim

    from modrack_plugins.optimizers.joint import Joint

    if not hasattr(optim, "Muon"):
        raise modrack.UserError("optimizer muon: this torch has no Muon.", "Install torch 2.9 or newer, or use adamw.")
    matrices: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for group in params:
        decay = group.get("weight_decay", weight_decay)
        flat = [weight for weight in group["params"] if weight.ndim == 2 and _turns(weight, largest, longest)]
        known = {id(weight) for weight in flat}
        rest = [weight for weight in group["params"] if id(weight) not in known]
        matrices += [{"params": flat, "weight_decay": decay}] if flat else []
        others += [{"params": rest, "weight_decay": decay}] if rest else []
    made: list[Optimizer] = []
    if matrices:
        # adjust_lr_fn as in the paper's later form: one learning rate serves matrices of all shapes and AdamW's too.
        made.append(optim.Muon(matrices, lr=lr, momentum=momentum, weight_decay=weight_decay))
    if others:
        made.append(optim.AdamW(others, lr=adamw_lr, betas=(0.9, beta2), weight_decay=weight_decay))
    return made[0] if len(made) == 1 else Joint(made)


def _turns(weight: Any, largest: int, longest: float) -> bool:
    long, short = max(weight.shape), min(weight.shape)
    return bool(long <= min(largest, longest * short))
