"""Several things at once: one body, a head for each target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Lt

import modrack

if TYPE_CHECKING:
    from torch import Tensor

    from modrack import Batch, Data, Step


@modrack.task(
    name="multi-task", takes=("image", "text", "tabular", "audio"), target="several", needs="logits",
)  # fmt: skip
class MultiTask(modrack.Task):
    """A class a row for each of several targets. The model's last layer gives their classes side by side: linear heads
    on one body, whose losses are added.

    Emits `scores` (rows, classes of all targets) and `targets` (rows, targets), -1 where a row lacks one.
    """

    emits = ("scores", "targets")

    def __init__(
        self,
        data: Data,
        processor: Any,
        *,
        weights: Annotated[list[float] | None, "of the targets' losses, in their order; none: 1 each"] = None,
        label_smoothing: Annotated[float, Ge(0), Lt(1), "share of a target spread over its classes"] = 0.0,
    ) -> None:
        super().__init__(data, processor)
        self.classes = data.targets
        names = ", ".join(self.classes)
        if weights is not None and len(weights) != len(self.classes):
            raise modrack.UserError(
                f"task.weights={weights}: there are {len(self.classes)} targets ({names}).", "Give one number each."
            )
        if weights is not None and (min(weights) < 0 or max(weights) <= 0):
            raise modrack.UserError(f"task.weights={weights}: a weight is 0 or more, and one at least is more.")
        self.weights = weights or [1.0] * len(self.classes)
        self.label_smoothing = label_smoothing

    def count(self, batch: Batch, phase: str) -> dict[str, Any]:
        """Rows that have each target."""
        return {name: (batch["target"][:, at] >= 0).sum() for at, name in enumerate(self.classes)}

    def step(self, parts: Any, batch: Batch, phase: str) -> Step:
        from torch.nn import functional as F

        scores, targets = self.forward(parts.model, batch).float(), batch["target"]
        smoothing = self.label_smoothing if batch.training else 0.0
        losses = {}
        for at, (name, head) in enumerate(self._heads(scores).items()):
            loss = F.cross_entropy(head, targets[:, at], reduction="sum", label_smoothing=smoothing, ignore_index=-1)
            losses[name] = loss * self.weights[at]
        return modrack.Step(losses, {"scores": scores, "targets": targets})

    def _heads(self, scores: Tensor) -> dict[str, Tensor]:
        sizes = [len(names) for names in self.classes.values()]
        if scores.shape[-1] != sum(sizes):
            raise modrack.UserError(
                f"The model gives {scores.shape[-1]} numbers a row; the targets have {sum(sizes)} classes together.",
                "Write data.outputs as the size of its last layer.",
            )
        return dict(zip(self.classes, scores.split(sizes, 1), strict=True))

    def predict(self, parts: Any, batch: Batch) -> dict[str, Any]:
        """For each target its class, and as `TARGET_probability` that class's."""
        made: dict[str, Any] = {}
        for name, head in self._heads(self.forward(parts.model, batch).float()).items():
            probability, index = head.softmax(-1).max(-1)
            made[name] = [self.classes[name][at] for at in index.tolist()]
            made[f"{name}_probability"] = probability.tolist()
        return made
