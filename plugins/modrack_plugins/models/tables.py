"""Rows of a table as numbers that a network can add up."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Columns(nn.Module):
    """(n, columns) → (n, size): numbers as they are, each category as a learned vector.

    `categories` says how many each column of them has, by its place. Their vectors have `width` numbers, or
    min(50, (k + 1) / 2) for k of them (Guo & Berkhahn, arXiv 1604.06737, leave it open; this is the usual rule).
    """

    def __init__(self, columns: int, categories: dict[int, int], width: int | None = None) -> None:
        super().__init__()
        self.numbers = [place for place in range(columns) if place not in categories]
        self.places = list(categories)
        # One more for those that are missing, which come as -1.
        self.tables = nn.ModuleList(
            nn.Embedding(count + 1, width or min(50, (count + 2) // 2)) for count in categories.values()
        )
        for table in self.tables:
            # It may never be seen in training: until then it says nothing.
            nn.init.zeros_(table.weight[0])  # type: ignore[index]
        self.size = len(self.numbers) + sum(table.embedding_dim for table in self.tables)  # type: ignore[misc]

    def forward(self, rows: Tensor) -> Tensor:
        places = rows[:, self.places].long() + 1
        vectors = [table(places[:, column]) for column, table in enumerate(self.tables)]
        return torch.cat([rows[:, self.numbers], *vectors], 1)
