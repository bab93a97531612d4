"""The repeated layers of a model, which are sharded and recomputed one by one."""

from __future__ import annotations

from torch import nn


def repeated_layers(part: nn.Module) -> dict[str, nn.Module]:
    """By name: the layers a transformers model calls its own (`_no_split_modules`), or else the children of lists and
    sequences that are at least two of one class, each with weights and with modules of its own. The outermost only.
    """
    found: dict[str, nn.Module] = {}
    named = set(getattr(part, "_no_split_modules", None) or ())
    if named:
        found = {name: module for name, module in part.named_modules() if name and type(module).__name__ in named}
        # Embeddings are named too: they are not repeated.
        counted = [type(module) for module in found.values()]
        found = {name: module for name, module in found.items() if counted.count(type(module)) > 1}
    if not found:
        for name, module in part.named_modules():
            if isinstance(module, (nn.ModuleList, nn.Sequential)):
                found |= {f"{name}.{key}" if name else key: child for key, child in _alike(module).items()}
    return {
        name: module
        for name, module in found.items()
        if not any(name != other and name.startswith(f"{other}.") for other in found)
    }


def _alike(container: nn.ModuleList | nn.Sequential) -> dict[str, nn.Module]:
    """The children that are no single operation and of which there are several of one class."""
    children = {
        key: child
        for key, child in container.named_children()
        if next(child.children(), None) is not None and next(child.parameters(), None) is not None
    }
    kinds = [type(child) for child in children.values()]
    return {key: child for key, child in children.items() if kinds.count(type(child)) > 1}
