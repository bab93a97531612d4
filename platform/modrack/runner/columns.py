"""Columns of a split as the feeder keeps them, and how they reach the device without making the host wait."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from modrack.runner.order import lengths_of, round_up
from modrack.seam import Ragged


class RaggedColumn:
    """Flat values and offsets at `place`; `lengths` (n,) int64 stay on the host, where they decide a batch's width."""

    def __init__(self, column: Ragged, place: torch.device) -> None:
        self.pad = column.pad
        values = as_tensor(column.values)
        # Where all rows are empty there must be something to point at.
        self.values = (values if len(values) else values.new_full((1,), column.pad)).to(place)
        self.offsets = torch.from_numpy(column.offsets[:-1]).to(place)
        self.lengths = lengths_of(column.offsets)
        self._lengths = self.lengths.to(place)
        self._longest = max(1, int(self.lengths.max()))

    def pick(self, rows: Tensor, placed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of `rows` (and the same numbers `placed` where the values are): padded values (n, width), their lengths on
        the host, and which entries are real, bool (n, width)."""
        lengths = self.lengths[rows]
        width = round_up(max(1, int(lengths.max())), self._longest, fine=self.values.device.type == "cpu")
        positions = torch.arange(width, device=self.values.device)
        index = (self.offsets[placed][:, None] + positions).clamp_(max=len(self.values) - 1)
        real = positions < self._lengths[placed][:, None]
        return self.values[index].masked_fill_(~real, self.pad), lengths, real


def as_tensor(column: Any) -> Tensor:
    """An array as a tensor on the same memory."""
    # Arrow's memory is read-only, which torch warns about; nothing here writes into a column.
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(column)


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """`tensor` on `device`; on CUDA by way of pinned memory, since the driver waits for a copy from anywhere else."""
    if tensor.device == device:
        return tensor
    if device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
