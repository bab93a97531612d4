"""Dropout on a CPU at a quarter of its price.

torch draws a number for each entry, which took a seventh of a BERT's step. Here one draw of 64 bits decides about four
entries, 16 bits each: the share that is left out is rounded to 1/65536, and what stays is scaled by exactly that.
"""

from __future__ import annotations

from torch import Tensor, empty, ge, int16, int64
from torch.nn import functional

plain = functional.dropout


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """As torch.nn.functional.dropout, by its random generator, with other masks."""
    left_out = round(p * 65536)
    if not training or inplace or input.device.type != "cpu" or not 0 < left_out < 65536:
        return plain(input, p, training, inplace)
    count = input.numel()
    drawn = empty((count + 3) // 4, dtype=int64).random_(-(2**63), None)
    # Compared into numbers: to cast what is true takes longer than all the rest.
    keep = empty(count, dtype=input.dtype)
    ge(drawn.view(int16)[:count], left_out - 32768, out=keep)
    return input * keep.mul_(65536 / (65536 - left_out)).view(input.shape)


def use(quick: bool) -> None:
    """Let all modules drop out by the function above, or by torch's own again."""
    functional.dropout = dropout if quick else plain
