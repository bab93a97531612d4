"""A metric of torchmetrics, in the variant that the data ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modrack_plugins.metrics.counts import IGNORED

if TYPE_CHECKING:
    from torch import Tensor

    from modrack import Data


class Wrapped:
    """Holds `Multiclass…` or `Multilabel…` of torchmetrics, whose sums live on the device and keep no logits."""

    def __init__(self, data: Data, name: str, **options: Any) -> None:
        from torchmetrics import classification

        self.several = data.target == "classes"
        size = len(data.classes or ())
        variant = getattr(classification, f"Multilabel{name}" if self.several else f"Multiclass{name}")
        count: dict[str, Any] = {"num_labels": size} if self.several else {"num_classes": size}
        self.tokens = data.target == "tokens"
        if self.tokens:
            count["ignore_index"] = IGNORED
        self.meter = variant(**count, validate_args=False, **options)

    def to(self, device: Any) -> None:
        """Move the sums."""
        self.meter.to(device)

    def update(self, logits: Tensor, target: Tensor) -> None:
        """`logits` (rows, classes); `target` int64 (rows,), or (rows, classes) of 0 and 1.

        Of tokens, (rows, tokens, classes) and (rows, tokens), each one with a label counts as a row.
        """
        if self.tokens:
            logits, target = logits.flatten(0, -2), target.flatten()
        # Probabilities, since torchmetrics would otherwise look at the values to see whether they are some.
        shares = logits.sigmoid() if self.several else logits.softmax(-1)
        self.meter.update(shares, target.long())

    def compute(self) -> Tensor:
        """The value over all rows since it was made."""
        value: Tensor = self.meter.compute()
        return value
