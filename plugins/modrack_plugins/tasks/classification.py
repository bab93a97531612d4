"""Which class is it, or which classes: of an image, a text, a row of a table, a sound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Lt

import modrack

if TYPE_CHECKING:
    from modrack import Batch, Data, Step


@modrack.task(takes=("image", "text", "tabular", "audio"), target=("class", "classes"), needs="logits")
class Classification(modrack.Task):
    """One class a row by softmax, or several by a sigmoid each where the label column is a list."""

    emits = ("logits", "target")

    def __init__(
        self,
        data: Data,
        processor: Any,
        *,
        label_smoothing: Annotated[float, Ge(0), Lt(1), "share of the target spread over all classes"] = 0.0,
    ) -> None:
        super().__init__(data, processor)
        self.label_smoothing = label_smoothing

    def step(self, parts: Any, batch: Batch, phase: str) -> Step:
        from torch.nn import functional as F

        logits, target = self.forward(parts.model, batch).float(), batch["target"]
        smoothing = self.label_smoothing if batch.training else 0.0
        if target.ndim == 2 and self.data.target == "class":
            # Shares of classes, as mixup makes them.
            loss = F.cross_entropy(logits, target, reduction="sum", label_smoothing=smoothing)
        elif self.data.target == "classes":
            spread = target * (1 - smoothing) + smoothing / 2
            # The mean over classes, as torch's own, so that the loss does not grow with their number.
            loss = F.binary_cross_entropy_with_logits(logits, spread, reduction="none").mean(1)
        else:
            loss = F.cross_entropy(logits, target, reduction="sum", label_smoothing=smoothing)
        return modrack.Step(loss, {"logits": logits, "target": target})

    def predict(self, parts: Any, batch: Batch) -> dict[str, Any]:
        """`label` and `probability`; for several classes the lists of those above one half."""
        names = self.data.classes or []
        logits = self.forward(parts.model, batch).float()
        if self.data.target == "classes":
            rows = logits.sigmoid().tolist()
            chosen = [[(name, p) for name, p in zip(names, row, strict=True) if p >= 0.5] for row in rows]
            return {
                "label": [[name for name, _ in row] for row in chosen],
                "probability": [[p for _, p in row] for row in chosen],
            }
        probability, index = logits.softmax(-1).max(-1)
        return {"label": [names[i] for i in index.tolist()], "probability": probability.tolist()}
