"""How surprised is a language model by each token."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import modrack

if TYPE_CHECKING:
    from torch import Tensor

    from modrack import Data


@modrack.metric(better="lower")
class Perplexity:
    """exp of the mean negative log-likelihood of the predicted tokens: as if choosing evenly among so many.

    Only comparable where the tokens are the same ones.
    """

    def __init__(self, data: Data) -> None:
        import torch

        self.sums: Any = torch.zeros(2, dtype=torch.float64)

    def to(self, device: Any) -> None:
        """Move the sums, in the precision that the device has."""
        import torch

        self.sums = self.sums.to(device, torch.float32 if str(device).startswith("mps") else torch.float64)

    def update(self, nll: Tensor, predicted: Tensor) -> None:
        """`nll` (rows,): each row's sum of negative log-likelihoods, in nats; `predicted` (rows,): their number."""
        import torch

        self.sums += torch.stack([nll.to(self.sums.dtype).sum(), predicted.to(self.sums.dtype).sum()])

    def compute(self) -> float:
        """The perplexity; not a number where nothing was predicted, infinite beyond what a float holds."""
        nll, predicted = self.sums.tolist()
        if not predicted:
            return math.nan
        return math.exp(nll / predicted) if nll / predicted < 709 else math.inf
