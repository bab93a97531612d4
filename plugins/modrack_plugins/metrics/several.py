"""How good is a model at several targets."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import modrack

if TYPE_CHECKING:
    from torch import Tensor

    from modrack import Data


class _Hits:
    """Right answers and rows by target; a target that a row lacks (-1) is not counted."""

    def __init__(self, data: Data) -> None:
        import torch

        self.names = {name: len(classes) for name, classes in data.targets.items()}
        self.hits: Any = torch.zeros(2, len(self.names), dtype=torch.int64)

    def to(self, device: Any) -> None:
        """Move the counts."""
        self.hits = self.hits.to(device)

    def update(self, scores: Tensor, targets: Tensor) -> None:
        """`scores` (rows, classes of all targets side by side), `targets` (rows, targets)."""
        import torch

        guesses = [each.argmax(1) for each in scores.split(list(self.names.values()), 1)]
        known = targets >= 0
        right = (torch.stack(guesses, 1) == targets) & known
        self.hits += torch.stack([right.sum(0), known.sum(0)])

    def _shares(self) -> dict[str, float]:
        right, rows = self.hits.tolist()
        return {name: right[at] / rows[at] if rows[at] else math.nan for at, name in enumerate(self.names)}


@modrack.metric(name="target-accuracy", example={})
class TargetAccuracy(_Hits):
    """Share of right answers, for each target by its name."""

    def compute(self) -> dict[str, float]:
        """{target: share}."""
        return self._shares()


@modrack.metric(name="mean-accuracy", better="higher", example={})
class MeanAccuracy(_Hits):
    """The mean over targets of the share of right answers."""

    def compute(self) -> float:
        """Each target that some row has counts the same, however many classes and rows it has."""
        shares = [share for share in self._shares().values() if not math.isnan(share)]
        return sum(shares) / len(shares) if shares else math.nan
