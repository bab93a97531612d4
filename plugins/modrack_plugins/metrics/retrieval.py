"""Do embeddings find what belongs together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from annotated_types import Gt

import modrack

if TYPE_CHECKING:
    from torch import Tensor

    from modrack import Data

# Rows that are compared with all others at a time.
STRIDE = 1024


@modrack.metric(better="higher")
class RetrievalAccuracy:
    """Share of rows whose nearest other row, by the angle between embeddings, is of the same class.

    Keeps the embeddings of an evaluation, (rows, width) in fp32, up to `most` rows; later ones are left out.
    """

    def __init__(self, data: Data, *, most: Annotated[int, Gt(1), "rows that are kept, and searched"] = 20_000) -> None:
        if data.target != "class":
            raise modrack.UserError("metric retrieval-accuracy asks for classes.", "Take data with labels.")
        self.most = most
        self.kept: list[tuple[Tensor, Tensor]] = []
        self.rows = 0

    def update(self, embedding: Tensor, target: Tensor) -> None:
        """`embedding` (rows, width), `target` int64 (rows,)."""
        room = max(0, self.most - self.rows)
        self.kept.append((embedding[:room].float(), target[:room]))
        self.rows += min(room, len(target))

    def compute(self) -> Tensor:
        """The share over all rows that were kept."""
        import torch
        from torch.nn import functional as F

        made = F.normalize(torch.cat([each for each, _ in self.kept]), dim=-1)
        target = torch.cat([each for _, each in self.kept])
        found = []
        for first in range(0, len(made), STRIDE):
            likeness = made[first : first + STRIDE] @ made.T
            rows = torch.arange(len(likeness), device=made.device)
            likeness[rows, rows + first] = -torch.inf
            found.append(target[likeness.argmax(-1)] == target[first : first + STRIDE])
        share: Tensor = torch.cat(found).float().mean()
        return share
