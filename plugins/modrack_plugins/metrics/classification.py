"""How good is a classifier: the usual figures.

Averages over classes: `micro` counts every row alike, `macro` every class, `weighted` classes by their rows.
With two classes, `macro` is the mean over both, not the figure of one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Gt

import modrack
from modrack_plugins.metrics.counts import IGNORED, Counted, ratio
from modrack_plugins.metrics.wrapped import Wrapped

if TYPE_CHECKING:
    from torch import Tensor

    from modrack import Data

Average = Annotated[Literal["micro", "macro", "weighted"], "how classes are weighed"]


@modrack.metric(better="higher")
class Accuracy(Counted):
    """Share of rows that are right; of labels, where rows have several; of words, where each has one."""

    def __init__(self, data: Data, *, average: Average = "micro") -> None:
        super().__init__(data)
        self.average = average

    def compute(self) -> Tensor:
        """`macro`: the mean share over the true classes; labels of several classes count wrong and right absences."""
        hits, guessed, true = self.by_class()
        if self.several:
            rows = self.table.double().cpu().sum((1, 2))
            return self.averaged(rows - guessed - true + 2 * hits, rows, self.average)
        if self.average == "macro":
            return ratio(hits, true).sum() / (true > 0).sum().clamp(min=1)
        return self.averaged(hits, true, self.average)


@modrack.metric(name="top-k-accuracy", better="higher")
class TopKAccuracy:
    """Share of rows whose class is among the k most probable ones."""

    def __init__(self, data: Data, *, k: Annotated[int, Gt(0), "how many may be guessed"] = 5) -> None:
        import torch

        if data.target == "classes":
            raise modrack.UserError("metric top-k-accuracy: rows with several classes have no top k.", "Use accuracy.")
        self.k = min(k, len(data.classes or ()))
        self.sums: Any = torch.zeros(2, dtype=torch.int64)

    def to(self, device: Any) -> None:
        """Move the sums."""
        self.sums = self.sums.to(device)

    def update(self, logits: Tensor, target: Tensor) -> None:
        """`logits` (rows, classes), `target` int64 (rows,), -100 where a row is ignored."""
        import torch

        known = target != IGNORED
        hit = (logits.topk(self.k, -1).indices == target[..., None]).any(-1) & known
        self.sums += torch.stack([hit.sum(), known.sum()])

    def compute(self) -> Tensor:
        """The share over all rows."""
        hits, rows = self.sums.double().cpu()
        return ratio(hits, rows)


@modrack.metric(better="higher")
class F1(Counted):
    """Harmonic mean of precision and recall."""

    def __init__(self, data: Data, *, average: Average = "macro") -> None:
        super().__init__(data)
        self.average = average

    def compute(self) -> Tensor:
        """The value over all rows."""
        hits, guessed, true = self.by_class()
        return self.averaged(2 * hits, guessed + true, self.average)


@modrack.metric(better="higher")
class Precision(Counted):
    """Share of what was called a class that is of it."""

    def __init__(self, data: Data, *, average: Average = "macro") -> None:
        super().__init__(data)
        self.average = average

    def compute(self) -> Tensor:
        """The value over all rows."""
        hits, guessed, _ = self.by_class()
        return self.averaged(hits, guessed, self.average)


@modrack.metric(better="higher")
class Recall(Counted):
    """Share of what is of a class that was called so."""

    def __init__(self, data: Data, *, average: Average = "macro") -> None:
        super().__init__(data)
        self.average = average

    def compute(self) -> Tensor:
        """The value over all rows."""
        hits, _, true = self.by_class()
        return self.averaged(hits, true, self.average)


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
class Matthews(Counted):
    """Matthews' correlation of prediction and truth (Gorodkin, Comput. Biol. Chem. 28, 2004)."""

    def __init__(self, data: Data) -> None:
        super().__init__(data)

    def compute(self) -> Tensor:
        """The value over all rows; where rows have several classes, over all their labels together."""
        table = self.table.double().cpu()
        table = table.sum(0) if self.several else table
        true, guessed, rows, hits = table.sum(1), table.sum(0), table.sum(), table.diagonal().sum()
        above = hits * rows - true @ guessed
        below = ((rows**2 - guessed @ guessed) * (rows**2 - true @ true)).sqrt()
        return ratio(above, below)


@modrack.metric
class ConfusionMatrix(Counted):
    """Rows of true classes, columns of predicted ones; that of test is kept with the run, as a table and a picture."""

    def __init__(
        self,
        data: Data,
        *,
        normalize: Annotated[Literal["true", "pred", "all"] | None, "divide by what; none: counts"] = None,
    ) -> None:
        super().__init__(data)
        self.normalize = normalize
        self.classes = data.classes or []

    def compute(self) -> Tensor:
        """(classes, classes); for rows with several classes (classes, 2, 2)."""
        if self.normalize is None:
            counts: Tensor = self.table
            return counts
        table = self.table.double().cpu()
        over = {"true": (-1,), "pred": (-2,), "all": (-2, -1)}[self.normalize]
        return ratio(table, table.sum(over, keepdim=True)).float()

    def picture(self) -> Any:
        """The table, drawn; None where rows have several classes, as there is a table for each then."""
        from modrack_plugins.drawing import matrix

        return None if self.several else matrix(self.compute().tolist(), self.classes)


@modrack.metric(better="lower")
class CalibrationError(Wrapped):
    """Expected gap between how sure and how often right, over bins (Guo et al., ICML 2017, arXiv 1706.04599)."""

    def __init__(self, data: Data, *, bins: Annotated[int, Gt(0), "bins of confidence"] = 15) -> None:
        import torch

        self.several, self.tokens = data.target == "classes", data.target == "tokens"
        self.bins = bins
        self.sums: Any = torch.zeros(3, bins, dtype=torch.float64)

    def to(self, device: Any) -> None:
        """Move the sums, in the precision that the device has."""
        import torch

        self.sums = self.sums.to(device, torch.float32 if str(device).startswith("mps") else torch.float64)

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Add rows to the bins: how many, how sure, how often right. torchmetrics' own keeps every row."""
        import torch

        known: Any = 1.0
        if self.tokens:
            logits, target = logits.flatten(0, -2), target.flatten()
            known = (target != IGNORED).float()
        if self.several:
            shares = logits.sigmoid().flatten()
            sure = torch.maximum(shares, 1 - shares)
            right = (shares >= 0.5) == (target.flatten() >= 0.5)
        else:
            sure, guess = logits.softmax(-1).max(-1)
            right = guess == target
        place = (sure * self.bins).long().clamp_(max=self.bins - 1)
        values = (torch.stack([torch.ones_like(sure), sure, right.to(sure.dtype)]) * known).to(self.sums.dtype)
        self.sums.index_add_(1, place, values)

    def compute(self) -> Tensor:
        """The mean gap over all rows."""
        rows, sure, right = self.sums
        gap: Tensor = (sure - right).abs().sum() / rows.sum()
        return gap
