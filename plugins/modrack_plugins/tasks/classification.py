"""Which class is it, or which classes: of an image, a text, a row of a table, a sound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt, Lt

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
        guesses: Annotated[int, Gt(0), "classes that `predict` names, the likeliest first"] = 1,
    ) -> None:
        super().__init__(data, processor)
        self.guesses = guesses
        self.label_smoothing = label_smoothing

    def step(self, parts: Any, batch: Batch, phase: str) -> Step:
        from torch.nn import functional as F

        logits, target = self.forward(parts.model, batch).float(), batch["target"]
        smoothing = self.label_smoothing if batch.training else 0.0
        if target.ndim == 2 and self.data.target == "class":
            # Shares of classes, as mixup makes them.
            loss = F.cross_entropy(logits, target, reduction="none", label_smoothing=smoothing)
        elif self.data.target == "classes":
            spread = target * (1 - smoothing) + smoothing / 2
            # The mean over classes, as torch's own, so that the loss does not grow with their number.
            loss = F.binary_cross_entropy_with_logits(logits, spread, reduction="none").mean(1)
        else:
            loss = F.cross_entropy(logits, target, reduction="none", label_smoothing=smoothing)
        return modrack.Step(loss, {"logits": logits, "target": target})

    def predict(self, parts: Any, batch: Batch) -> dict[str, Any]:
        """`label` and `probability`; for several classes the lists of those above one half.

        With more than one guess also `guesses`: the likeliest classes, each with its probability.
        """
        names = self.data.classes or []
        logits = self.forward(parts.model, batch).float()
        if self.data.target == "classes":
            chances = logits.sigmoid()
            chosen = [[(names[i], p) for i, p in enumerate(row) if p >= 0.5] for row in chances.tolist()]
            answer: dict[str, Any] = {
                "label": [[name for name, _ in row] for row in chosen],
                "probability": [[p for _, p in row] for row in chosen],
            }
        else:
            chances = logits.softmax(-1)
            probability, index = chances.max(-1)
            answer = {"label": [names[i] for i in index.tolist()], "probability": probability.tolist()}
        if self.guesses > 1:
            values, places = (each.tolist() for each in chances.topk(min(self.guesses, len(names))))
            answer["guesses"] = [
                [(names[i], p) for i, p in zip(*row, strict=True)] for row in zip(places, values, strict=True)
            ]
        return answer
