"""Who was called what: the counts that most figures of a classifier are made of.

torchmetrics has these figures too (`--metric torchmetrics/…`). They are counted here because importing it takes longer
than many a training: it imports half of transformers, scipy and pandas.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from modrack import Data

# Labels that count for nothing, by the convention of torch and transformers.
IGNORED = -100


class Counted:
    """Sums on the device; no row is kept and nothing waits for the device before `compute`.

    One class a row: `table` int64 (classes, classes), true by guessed. Several classes a row: a table (2, 2) for each,
    (classes, 2, 2), where a class is guessed from a probability above one half on.
    """

    def __init__(self, data: Data) -> None:
        import torch

        self.several = data.target == "classes"
        self.size = len(data.classes or ())
        shape = (self.size, 2, 2) if self.several else (self.size, self.size)
        self.table: Any = torch.zeros(shape, dtype=torch.int64)

    def to(self, device: Any) -> None:
        """Move the sums."""
        self.table = self.table.to(device)

    def update(self, logits: Tensor, target: Tensor) -> None:
        """`logits` (rows, classes); `target` int64 (rows,), -100 where ignored, or (rows, classes) of 0 and 1."""
        import torch

        if self.several:
            place = 2 * (target > 0.5).long() + (logits > 0)
            place = (place + 4 * torch.arange(self.size, device=place.device)).flatten()
            counted = torch.ones_like(place)
        else:
            known = target != IGNORED
            place = torch.where(known, target * self.size + logits.argmax(-1), 0).flatten()
            counted = known.long().flatten()
        # Not bincount: it asks the device for the greatest value.
        self.table.view(-1).scatter_add_(0, place, counted)

    def by_class(self) -> tuple[Tensor, Tensor, Tensor]:
        """Of each class: hits, how often it was guessed, how often it was true; fp64 (classes,) on the host."""
        table = self.table.double().cpu()
        if self.several:
            return table[:, 1, 1], table[:, :, 1].sum(1), table[:, 1].sum(1)
        return table.diagonal(), table.sum(0), table.sum(1)

    def averaged(self, part: Tensor, whole: Tensor, average: str) -> Tensor:
        """`part` / `whole` of each class in one number; a class that neither occurs nor is guessed does not count."""
        _, guessed, true = self.by_class()
        if average == "micro":
            return ratio(part.sum(), whole.sum())
        weight = true if average == "weighted" else ((guessed + true) > 0).double()
        return ratio((ratio(part, whole) * weight).sum(), weight.sum())


def ratio(part: Tensor, whole: Tensor) -> Tensor:
    """`part` / `whole`, and 0 where there is nothing to divide by, as scikit-learn has it with zero_division=0."""
    return part / whole.clamp(min=1e-300) * (whole > 0)
