"""Layers that forget their activations and compute them again in the backward: less memory for a third more work.

Chen et al., "Training deep nets with sublinear memory cost" (arXiv 1604.06174), by torch.utils.checkpoint.
"""

from __future__ import annotations

import contextlib
import fnmatch
import functools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from modrack.runner.layers import repeated_layers
from modrack.runner.parts import Parts
from modrack_registry.errors import UserError
from modrack_registry.suggest import did_you_mean


def recompute_layers(parts: Parts, asked: str | list[str]) -> int:
    """Let the layers that `asked` means (all, none, or names of modules) compute twice. Gives how many they are.

    Raises UserError where there are none.
    """
    if asked == "none":
        return 0
    chosen = _all_layers(parts) if asked == "all" else _named(parts, list(asked))
    if not chosen:
        raise UserError(
            "recompute=all: the model has no repeated layers.", "Name modules, as in recompute='features.*'."
        )
    for layer in chosen:
        _twice(layer)
    return len(chosen)


def count_layers(parts: Parts) -> int:
    """How many repeated layers the parts have."""
    return len(_all_layers(parts))


def _all_layers(parts: Parts) -> list[nn.Module]:
    return [layer for part in parts.modules() for layer in repeated_layers(part).values()]


def _named(parts: Parts, patterns: list[str]) -> list[nn.Module]:
    single = len(list(parts)) == 1
    known = {
        name if single else f"{part}.{name}": module
        for part, whole in parts.items()
        for name, module in whole.named_modules()
        # A list is never called itself.
        if name and not isinstance(module, (nn.ModuleList, nn.ModuleDict))
    }
    chosen: dict[str, nn.Module] = {}
    for pattern in patterns:
        fitting = fnmatch.filter(known, pattern)
        if not fitting:
            raise UserError(f"recompute={pattern}: no module has such a name.", did_you_mean(pattern, known))
        chosen |= {name: known[name] for name in fitting}
    # A module inside a chosen one is computed again with it.
    return [
        module
        for name, module in chosen.items()
        if not any(name != other and name.startswith(f"{other}.") for other in chosen)
    ]


def _twice(layer: nn.Module) -> None:
    from torch.utils.checkpoint import checkpoint

    once = layer.forward

    @functools.wraps(once)
    def forward(*args: Any, **kwargs: Any) -> Any:
        if not (torch.is_grad_enabled() and layer.training):
            return once(*args, **kwargs)
        args, kwargs = _without_caches(args), dict(zip(kwargs, _without_caches(tuple(kwargs.values())), strict=True))
        before = [(buffer, buffer.clone()) for buffer in layer.buffers()]
        # Noise is drawn again from the state of then, so that dropout leaves the same out.
        if not before:  # The compiler knows no contexts here.
            return checkpoint(once, *args, use_reentrant=False, **kwargs)
        return checkpoint(
            once, *args, use_reentrant=False, context_fn=lambda: (contextlib.nullcontext(), _as_then(before)), **kwargs
        )

    layer.forward = forward


def _without_caches(given: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a layer is given, without the keys and values that transformers' decoders collect for generation: a second
    forward would collect them twice, and training has no use for them."""
    return tuple(None if hasattr(each, "get_seq_length") and hasattr(each, "update") else each for each in given)


@contextlib.contextmanager
def _as_then(before: list[tuple[Tensor, Tensor]]) -> Iterator[None]:
    """Buffers as they were at the first forward, and back: running statistics must not move twice."""
    with torch.no_grad():
        after = [buffer.clone() for buffer, _ in before]
        for buffer, was in before:
            buffer.copy_(was)
    try:
        yield
    finally:
        with torch.no_grad():
            for (buffer, _), now in zip(before, after, strict=True):
                buffer.copy_(now)


@contextlib.contextmanager
def counting_saved(modules: list[nn.Module]) -> Iterator[list[int]]:
    """While entered, the bytes that a forward saves for its backward are appended, each storage once, weights left out.

    Not counted is what lies inside a recomputed layer: it is not saved.
    """
    seen = {parameter.untyped_storage().data_ptr() for module in modules for parameter in module.parameters()}
    kept: list[Tensor] = []
    counted: list[int] = []

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in seen:
            seen.add(storage.data_ptr())
            kept.append(tensor)  # Else another tensor might get the same address.
            counted.append(storage.nbytes())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield counted
