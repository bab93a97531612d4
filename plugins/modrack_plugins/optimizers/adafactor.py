"""Adafactor: second moments by rows and columns, for little memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt, Le

import modrack

if TYPE_CHECKING:
    from torch.optim import Optimizer


@modrack.optimizer
def adafactor(
    params: Any,
    *,
    lr: Annotated[float, Gt(0), "learning rate"] = 1e-2,
    beta2_decay: Annotated[float, Le(0), "exponent with which the memory of squares grows"] = -0.8,
    clip: Annotated[float, Ge(1), "largest root mean square of an update"] = 1.0,
    weight_decay: Annotated[float, Ge(0), "pull of weights towards zero; norms and biases are left out"] = 0.0,
) -> Optimizer:
    """Adafactor (Shazeer and Stern, ICML 2018, arXiv 1804.04235)."""
    from torch.optim import Adafactor

    return Adafactor(params, lr=lr, beta2_decay=beta2_decay, d=clip, weight_decay=weight_decay)
