"""Gradients of large embeddings as the rows that a batch met, in place of a tensor of zeros around them.

The gradient of a vocabulary is as large as the vocabulary, and a batch meets a hundredth of it: clearing it, adding up
its squares and reading it again took a tenth of a step of a small BERT. torch's embeddings can give rows instead
(`sparse=True`), which its AdamW does not take; the kernel does. What is learned is the same: moments of rows that a
batch did not meet go on as with a gradient of zero.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from modrack.native.optimizer import takes_rows

# Of smaller ones the gradient stays in the caches.
LARGE = 1_000_000


def large_embeddings(part: nn.Module, optimizer: Any) -> list[nn.Embedding]:
    """Those of `part` that can learn by rows, as far as its `optimizer` takes them."""
    if not takes_rows(optimizer):
        return []
    modules = list(part.modules())
    # A weight that is read elsewhere too, as by the head of a language model, has a gradient from there for all rows.
    owners = Counter(id(each) for module in modules for each in module._parameters.values())
    return [
        module
        for module in modules
        if type(module) is nn.Embedding
        and module.weight.requires_grad
        and module.weight.numel() >= LARGE
        and owners[id(module.weight)] == 1
        and not module.scale_grad_by_freq
        and module.max_norm is None
    ]


@contextlib.contextmanager
def giving_rows(embeddings: list[nn.Embedding]) -> Iterator[None]:
    """What these compute meanwhile gives them gradients by rows; elsewhere the model is as everybody knows it."""
    before = [each.sparse for each in embeddings]
    for each in embeddings:
        each.sparse = True
    try:
        yield
    finally:
        for each, sparse in zip(embeddings, before, strict=True):
            each.sparse = sparse


def values(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    """All gradients, of those by rows the rows; what a row was given several times is added up."""
    given = []
    for each in parameters:
        if each.grad is not None and each.grad.is_sparse:
            each.grad = each.grad.coalesce()
            given.append(each.grad.values())
        elif each.grad is not None:
            given.append(each.grad)
    return given


def densify(parameters: Iterable[Tensor]) -> None:
    """Gradients by rows as whole tensors, for who takes no others."""
    for each in parameters:
        if each.grad is not None and each.grad.layout == torch.sparse_coo:
            each.grad = each.grad.to_dense()
