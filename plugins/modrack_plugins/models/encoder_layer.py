"""A layer of BERT and its like in training, in bf16 on a CPU: torch multiplies by the weights, C does the rest.

Under autocast such a layer is some 250 operations, forward and backward, most of which move numbers; here it is 50.
What it computes is what torch's own layer does, to the rounding of bf16; masks of dropout are others.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

SOURCE = Path(__file__).with_name("encoder.c")
_NOISE = "ufuu"
FUNCTIONS = {
    "add_norm": "iipppippfppppp" + _NOISE,
    "add_norm_back": "iipppppppppp" + _NOISE,
    "sum_rows": "iippp",
    "gelu": "iippp",
    "gelu_back": "iipppppp",
    "attend": "iiiiipippippppppf" + _NOISE,
    "attend_back": "iiiiipippipppppppppf" + _NOISE,
}
# In so many parts the kernels add up over rows.
_PARTS = 16


class Shape(NamedTuple):
    """What a layer is beside its weights: heads, the norms' eps, shares that are left out of attention, of what it
    gives and at the end; `first`: only the first token of each row is computed.
    """

    heads: int
    eps: float
    attention_dropout: float
    output_dropout: float
    dropout: float
    first: bool


class Weights(NamedTuple):
    """Those of a layer, fp32: queries, keys, values and output, a norm, both products of the rest, and its norm."""

    query: Tensor
    query_bias: Tensor
    key: Tensor
    key_bias: Tensor
    value: Tensor
    value_bias: Tensor
    output: Tensor
    output_bias: Tensor
    norm: Tensor
    norm_bias: Tensor
    wide: Tensor
    wide_bias: Tensor
    narrow: Tensor
    narrow_bias: Tensor
    last_norm: Tensor
    last_norm_bias: Tensor


def encode(kernels: Any, hidden: Tensor, mask: Tensor | None, shape: Shape, weights: Weights) -> Tensor:
    """The layer's output, fp32, (n, tokens, width), or of the first tokens alone (n, 1, width).

    `hidden` (n, tokens, width) is fp32; `mask` (n, tokens) is true where a token may be looked at. `kernels` is the
    library of SOURCE.
    """
    made: Tensor = _Layer.apply(hidden, mask, kernels, shape, *weights)
    return made


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, mask: Tensor | None, kernels: Any, shape: Shape, *given: Tensor) -> Tensor:
        weights, place = Weights(*given), _Place(shape, hidden)
        noises = _noises(shape)
        joined = _joined(weights)
        output, wide, narrow = (_low(each) for each in (weights.output, weights.wide, weights.narrow))
        low = _low(hidden).view(-1, place.width)
        if shape.first:
            queries = low[:: place.tokens] @ joined[: place.width].t()
            told = low @ joined[place.width :].t()
        else:
            queries = told = low @ joined.t()
        attended = low.new_empty(place.rows, place.width)
        level = hidden.new_empty(place.n * shape.heads * place.asked)
        kernels.attend(*place.lie(queries, told), *weights[1:6:2], mask, attended, level, place.scaling, *noises[0])

        # Of both norms what they are of, and of each row the mean and the inverse of its deviation.
        sums, facts = hidden.new_empty(2, place.rows, place.width), hidden.new_empty(4, place.rows)
        normed, last = (hidden.new_empty(place.n, place.asked, place.width) for _ in range(2))
        middle = torch.empty_like(attended)
        kernels.add_norm(
            place.rows, place.width, attended @ output.t(), weights.output_bias, hidden, place.apart,
            weights.norm, weights.norm_bias, shape.eps, sums[0], normed, middle, facts[0], facts[1], *noises[1],
        )  # fmt: skip
        inner = middle @ wide.t()
        active = torch.empty_like(inner)
        kernels.gelu(*inner.shape, inner, weights.wide_bias, active)
        kernels.add_norm(
            place.rows, place.width, active @ narrow.t(), weights.narrow_bias, normed, place.width,
            weights.last_norm, weights.last_norm_bias, shape.eps, sums[1], last, None, facts[2], facts[3],
            *noises[2],
        )  # fmt: skip
        ctx.save_for_backward(
            mask, low, queries, told, attended, level, middle, inner, active, sums, facts,
            joined, output, wide, narrow, *given,
        )  # fmt: skip
        ctx.more = kernels, shape, place, noises
        return last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        mask, low, queries, told, attended, level, middle, inner, active, sums, facts, *more = ctx.saved_tensors
        (joined, output, wide, narrow), weights = more[:4], Weights(*more[4:])
        kernels, shape, place, noises = ctx.more
        needed = dict(zip(Weights._fields, ctx.needs_input_grad[4:], strict=True))
        rows, width = place.rows, place.width
        parts = slope.new_empty(_PARTS * max(3 * width, inner.shape[1]))
        # Of each norm, and of the bias before it: weight, shift, bias.
        norms, ends = slope.new_empty(2, 3, width), torch.empty_like(attended)
        adds = slope.new_empty(2, rows, width)
        kernels.add_norm_back(
            rows, width, slope.contiguous(), None, sums[1], facts[2], facts[3], weights.last_norm, adds[1], ends,
            norms[1], parts, *noises[2],
        )  # fmt: skip
        d_narrow = ends.t() @ active if needed["narrow"] else None
        d_inner, wide_bias = torch.empty_like(inner), slope.new_empty(inner.shape[1])
        kernels.gelu_back(*inner.shape, inner, weights.wide_bias, ends @ narrow, d_inner, wide_bias, parts)
        d_wide = d_inner.t() @ middle if needed["wide"] else None
        ends = torch.empty_like(attended)
        kernels.add_norm_back(
            rows, width, adds[1], d_inner @ wide, sums[0], facts[0], facts[1], weights.norm, adds[0], ends,
            norms[0], parts, *noises[1],
        )  # fmt: skip
        d_output = ends.t() @ attended if needed["output"] else None
        d_told = torch.empty_like(told)
        d_queries = torch.empty_like(queries) if shape.first else d_told
        kernels.attend_back(
            *place.lie(queries, told), *weights[1:6:2], mask, level, ends @ output, *place.parts(d_queries, d_told),
            place.scaling, *noises[0],
        )  # fmt: skip
        d_joined = None
        if needed["query"] or needed["key"] or needed["value"]:
            if shape.first:
                d_joined = torch.cat((d_queries.t() @ low[:: place.tokens], d_told.t() @ low))
            else:
                d_joined = d_told.t() @ low
        d_biases = slope.new_empty(3 * width)
        kernels.sum_rows(*d_told.shape, d_told, d_biases[-d_told.shape[1] :], parts)
        if shape.first:
            kernels.sum_rows(*d_queries.shape, d_queries, d_biases, parts)
        d_hidden = None
        if ctx.needs_input_grad[0]:
            if shape.first:
                d_hidden = (d_told @ joined[width:]).float().view(place.n, -1, width)
                d_hidden[:, 0] += adds[0].add_(d_queries @ joined[:width])
            else:
                d_hidden = adds[0].add_(d_told @ joined).view(place.n, -1, width)
        of_joined = (None,) * 3 if d_joined is None else d_joined.split(width)
        asking = [each for pair in zip(of_joined, d_biases.split(width), strict=True) for each in pair]
        gradients = (
            *asking, d_output, norms[0, 2], norms[0, 0], norms[0, 1], d_wide, wide_bias,
            d_narrow, norms[1, 2], norms[1, 0], norms[1, 1],
        )  # fmt: skip
        return d_hidden, None, None, None, *gradients


class _Place:
    """How the numbers of a layer lie."""

    def __init__(self, shape: Shape, hidden: Tensor) -> None:
        self.n, self.tokens, self.width = hidden.shape
        self.heads, self.first = shape.heads, shape.first
        self.size = self.width // shape.heads
        self.scaling: float = self.size**-0.5
        self.asked = 1 if shape.first else self.tokens
        self.rows = self.n * self.asked
        # From one row that is computed to the next, in what comes in.
        self.apart = self.width * (self.tokens if shape.first else 1)

    def parts(self, queries: Tensor, told: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each as it begins; where all tokens ask, they lie in one tensor."""
        keys = told if self.first else told[:, self.width :]
        return queries, keys, keys[:, self.width :]

    def lie(self, queries: Tensor, told: Tensor) -> tuple[Any, ...]:
        """What the kernels of attention are told first."""
        queries, keys, values = self.parts(queries, told)
        return (
            self.n, self.asked, self.tokens, self.heads, self.size,
            queries, queries.stride(0), keys, values, told.stride(0),
        )  # fmt: skip


def _low(tensor: Tensor) -> Tensor:
    return tensor.to(torch.bfloat16)


def _joined(weights: Weights) -> Tensor:
    """The weights of queries, keys and values in bf16, one below the other: each input is multiplied once."""
    width = len(weights.query)
    made = weights.query.new_empty(3 * width, width, dtype=torch.bfloat16)
    for part, weight in zip(made.split(width), (weights.query, weights.key, weights.value), strict=True):
        part.copy_(weight)
    return made


def _noises(shape: Shape) -> list[tuple[int, float, int, int]]:
    """For each dropout of the layer: entries below which number of 32 bits go, what scales the others, two keys."""
    keys = torch.empty(6, dtype=torch.int64).random_(0, 2**32).tolist()
    shares = (shape.attention_dropout, shape.output_dropout, shape.dropout)
    made = []
    for share, first, second in zip(shares, keys[::2], keys[1::2], strict=True):
        threshold = min(round(share * 2**32), 2**32 - 1)
        made.append((threshold, 2**32 / (2**32 - threshold), first, second))
    return made
