"""Learn which texts belong together: like ones close to each other, unlike ones apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Gt

import modrack

if TYPE_CHECKING:
    from torch import Tensor

    from modrack import Batch, Data, Step


@modrack.task(takes="text", target="class", needs="embeddings")
class Contrastive(modrack.Task):
    """Sentence embeddings by contrast within the batch (InfoNCE: van den Oord et al., 2018, arXiv 1807.03748).

    Texts of one class belong together (Khosla et al., NeurIPS 2020, arXiv 2004.11362). A row is compared with those of
    its micro-batch alone, so that accumulation is a mean of micro-batches, and not the big batch: raise batch_size
    instead.
    """

    emits = ("embedding", "target")
    additive = False

    def __init__(
        self,
        data: Data,
        processor: Any,
        *,
        temperature: Annotated[float, Gt(0), "smaller: close neighbours count for more"] = 0.05,
    ) -> None:
        super().__init__(data, processor)
        self.temperature = temperature

    def count(self, batch: Batch, phase: str) -> Any:
        # One for each micro-batch: its loss is a mean already.
        return 1

    def step(self, parts: Any, batch: Batch, phase: str) -> Step:
        from torch.nn import functional as F

        made, target = F.normalize(self.forward(parts.model, batch).float(), dim=-1), batch["target"]
        return modrack.Step(contrast(made, target, self.temperature), {"embedding": made.detach(), "target": target})

    def predict(self, parts: Any, batch: Batch) -> dict[str, Any]:
        """`embedding`: a list of numbers a row, of length 1 as a vector."""
        from torch.nn import functional as F

        return {"embedding": F.normalize(self.forward(parts.model, batch).float(), dim=-1).tolist()}


def contrast(made: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """The mean over rows of -log of the share that a row's kin has of its likeness to all others.

    `made` (rows, width) of length 1; `labels` (rows,) say who is kin. Rows without kin count for nothing.
    """
    import torch

    alone = torch.eye(len(made), dtype=torch.bool, device=made.device)
    likeness = (made @ made.T / temperature).masked_fill(alone, -torch.inf)
    kin = (labels[:, None] == labels) & ~alone
    shares = likeness.log_softmax(-1).masked_fill(~kin, 0).sum(-1)
    each = -shares / kin.sum(-1).clamp(min=1)
    return each.sum() / kin.any(-1).sum().clamp(min=1)
