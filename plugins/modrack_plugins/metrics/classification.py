"""How good is a classifier: the usual figures, computed by torchmetrics.

Averages over classes: `micro` counts every row alike, `macro` every class, `weighted` classes by their rows.
With two classes, `macro` is the mean over both, not the figure of one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Gt

import modrack
from modrack_plugins.metrics.wrapped import Wrapped

if TYPE_CHECKING:
    from torch import Tensor

    from modrack import Data

Average = Annotated[Literal["micro", "macro", "weighted"], "how classes are weighed"]


@modrack.metric(better="higher")
class Accuracy(Wrapped):
    """Share of rows (or of labels, where rows have several) that are right."""

    def __init__(self, data: Data, *, average: Average = "micro") -> None:
        super().__init__(data, "Accuracy", average=average)


@modrack.metric(name="top-k-accuracy", better="higher")
class TopKAccuracy(Wrapped):
    """Share of rows whose class is among the k most probable ones."""

    def __init__(
        self, data: Data, *, k: Annotated[int, Gt(0), "how many may be guessed"] = 5, average: Average = "micro"
    ) -> None:
        if data.target == "classes":
            raise modrack.UserError("metric top-k-accuracy: rows with several classes have no top k.", "Use accuracy.")
        super().__init__(data, "Accuracy", top_k=min(k, len(data.classes or ())), average=average)


@modrack.metric(better="higher")
class F1(Wrapped):
    """Harmonic mean of precision and recall."""

    def __init__(self, data: Data, *, average: Average = "macro") -> None:
        super().__init__(data, "F1Score", average=average)


@modrack.metric(better="higher")
class Precision(Wrapped):
    """Share of what was called a class that is of it."""

    def __init__(self, data: Data, *, average: Average = "macro") -> None:
        super().__init__(data, "Precision", average=average)


@modrack.metric(better="higher")
class Recall(Wrapped):
    """Share of what is of a class that was called so."""

    def __init__(self, data: Data, *, average: Average = "macro") -> None:
        super().__init__(data, "Recall", average=average)


@modrack.metric(better="higher")
class Auroc(Wrapped):
    """Area under the receiver operating characteristic, each class against the rest."""

    def __init__(
        self,
        data: Data,
        *,
        average: Annotated[Literal["macro", "weighted"], "how classes are weighed"] = "macro",
        thresholds: Annotated[int, Gt(1), "points of the curve; memory does not grow with the rows"] = 200,
    ) -> None:
        super().__init__(data, "AUROC", average=average, thresholds=thresholds)


@modrack.metric(better="higher")
class Matthews(Wrapped):
    """Matthews' correlation of prediction and truth (Gorodkin, Comput. Biol. Chem. 28, 2004)."""

    def __init__(self, data: Data) -> None:
        super().__init__(data, "MatthewsCorrCoef")


@modrack.metric
class ConfusionMatrix(Wrapped):
    """Rows of true classes, columns of predicted ones; that of test is kept with the run, as a table and a picture."""

    def __init__(
        self,
        data: Data,
        *,
        normalize: Annotated[Literal["true", "pred", "all"] | None, "divide by what; none: counts"] = None,
    ) -> None:
        super().__init__(data, "ConfusionMatrix", normalize=normalize)
        self.classes = data.classes or []

    def picture(self) -> Any:
        """The table, drawn; None where rows have several classes, as there is a table for each then."""
        from modrack_plugins.drawing import matrix

        return None if self.several else matrix(self.compute().tolist(), self.classes)


@modrack.metric(better="lower")
class CalibrationError(Wrapped):
    """Expected gap between how sure and how often right, over bins (Guo et al., ICML 2017, arXiv 1706.04599)."""

    def __init__(self, data: Data, *, bins: Annotated[int, Gt(0), "bins of confidence"] = 15) -> None:
        import torch

        self.several = data.target == "classes"
        self.bins = bins
        self.sums: Any = torch.zeros(3, bins, dtype=torch.float64)

    def to(self, device: Any) -> None:
        """Move the sums, in the precision that the device has."""
        import torch

        self.sums = self.sums.to(device, torch.float32 if str(device).startswith("mps") else torch.float64)

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Add rows to the bins: how many, how sure, how often right. torchmetrics' own keeps every row."""
        import torch

        if self.several:
            shares = logits.sigmoid().flatten()
            sure = torch.maximum(shares, 1 - shares)
            right = (shares >= 0.5) == (target.flatten() >= 0.5)
        else:
            sure, guess = logits.softmax(-1).max(-1)
            right = guess == target
        place = (sure * self.bins).long().clamp_(max=self.bins - 1)
        values = torch.stack([torch.ones_like(sure), sure, right.to(sure.dtype)]).to(self.sums.dtype)
        self.sums.index_add_(1, place, values)

    def compute(self) -> Tensor:
        """The mean gap over all rows."""
        rows, sure, right = self.sums
        gap: Tensor = (sure - right).abs().sum() / rows.sum()
        return gap
