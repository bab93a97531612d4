"""Noise that is a function of where a row stands, not of how often anybody asked for noise.

Each value is a hash of (key, row's place, position in the row): batches may be cut, resumed or spread
over ranks, and every row still meets the same noise. The mixer is the finaliser of SplitMix64
(Steele, Lea and Flood, OOPSLA 2014, doi:10.1145/2660193.2660195).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

_GAMMA = 0x9E3779B97F4A7C15
_MULTIPLIERS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1))
_MASK = (1 << 64) - 1


def uniform(key: tuple[int, ...], place: int, size: int, shape: tuple[int, ...], device: Any) -> Tensor:
    """Values in [0, 1), fp32, (size, *shape)."""
    return (
        _bits(key, place, size, math.prod(shape), device)
        .bitwise_and_((1 << 24) - 1)
        .float()
        .div_(1 << 24)
        .view(size, *shape)
    )


def normal(key: tuple[int, ...], place: int, size: int, shape: tuple[int, ...], device: Any) -> Tensor:
    """Standard normal values, fp32, (size, *shape), by Box and Muller's transform."""
    first = uniform((*key, 1), place, size, shape, device)
    second = uniform((*key, 2), place, size, shape, device)
    return (1 - first).log_().mul_(-2).sqrt_() * torch.cos(second.mul_(2 * math.pi))


def mix(*numbers: int) -> int:
    """One 63-bit number that depends on all of `numbers`: a seed for a generator."""
    state = 0
    for number in numbers:
        state = (state ^ (number & _MASK)) + _GAMMA & _MASK
        for shift, multiplier in _MULTIPLIERS:
            state = (state ^ state >> shift) * multiplier & _MASK
    return state >> 1


def _bits(key: tuple[int, ...], place: int, size: int, width: int, device: Any) -> Tensor:
    rows = torch.arange(place, place + size, device=device, dtype=torch.int64)[:, None]
    columns = torch.arange(width, device=device, dtype=torch.int64)[None]
    state = (rows.mul(_signed(0xD1342543DE82EF95)) + columns).add_(mix(*key)).mul_(_signed(_GAMMA))
    for shift, multiplier in _MULTIPLIERS:
        # torch shifts int64 arithmetically: the mask takes the copied sign bits away.
        state = state.bitwise_xor(state.bitwise_right_shift(shift).bitwise_and_((1 << 64 - shift) - 1))
        state.mul_(_signed(multiplier))
    return state.bitwise_right_shift(20)


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number
