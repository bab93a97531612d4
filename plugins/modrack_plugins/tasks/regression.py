"""How much is it: of an image, a text, a row of a table, a sound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Gt

import modrack

if TYPE_CHECKING:
    from torch import Tensor

    from modrack import Batch, Data, Step


@modrack.task(takes=("image", "text", "tabular", "audio"), target="number", needs="logits")
class Regression(modrack.Task):
    """One number a row. The model learns it in standard deviations from train's mean; what comes out is in its units.

    The loss is of standardised numbers; metrics and predictions are in the data's own.
    """

    emits = ("prediction", "target")

    def __init__(
        self,
        data: Data,
        processor: Any,
        *,
        loss: Annotated[Literal["squared", "absolute", "huber"], "of the difference"] = "squared",
        delta: Annotated[float, Gt(0), "deviations from which on huber grows straight"] = 1.0,
    ) -> None:
        super().__init__(data, processor)
        self.loss, self.delta = loss, delta
        self.mean = 0.0 if data.target_mean is None else data.target_mean
        self.std = 1.0 if data.target_std is None else data.target_std

    def step(self, parts: Any, batch: Batch, phase: str) -> Step:
        from torch.nn import functional as F

        found, target = self._numbers(parts, batch), batch["target"]
        wanted = (target - self.mean) / self.std
        if self.loss == "squared":
            loss = F.mse_loss(found, wanted, reduction="none")
        elif self.loss == "absolute":
            loss = F.l1_loss(found, wanted, reduction="none")
        else:
            loss = F.huber_loss(found, wanted, reduction="none", delta=self.delta)
        return modrack.Step(loss, {"prediction": self._in_units(found), "target": target})

    def predict(self, parts: Any, batch: Batch) -> dict[str, Any]:
        """`prediction`, in the units of the data."""
        return {"prediction": self._in_units(self._numbers(parts, batch)).tolist()}

    def _numbers(self, parts: Any, batch: Batch) -> Tensor:
        """(rows,), standardised. Raises UserError for a model that gives more than one number a row."""
        made: Tensor = self.forward(parts.model, batch).float()
        if made.numel() != batch.size:
            raise modrack.UserError(
                f"The model gives {made.numel() // batch.size} numbers a row; the target is one.",
                "Write data.outputs as the size of its last layer.",
            )
        return made.reshape(batch.size)

    def _in_units(self, found: Tensor) -> Tensor:
        return found * self.std + self.mean
