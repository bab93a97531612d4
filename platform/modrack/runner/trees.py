"""State of any shape as tensors and JSON, and back: what a checkpoint holds instead of a pickle."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_SPECIAL = ("$tensor", "$tuple", "$map")


def pack(tree: Any, tensors: dict[str, Tensor], path: str) -> Any:
    """`tree` as JSON; its tensors go into `tensors` under names that begin with `path`."""
    if isinstance(tree, Tensor):
        # Keys of two types, or with a slash, may lead to one path.
        while path in tensors:
            path += "'"
        tensors[path] = tree.detach()
        return {"$tensor": path}
    if isinstance(tree, dict):
        if all(isinstance(key, str) and key not in _SPECIAL for key in tree):
            return {key: pack(value, tensors, f"{path}/{key}") for key, value in tree.items()}
        return {"$map": [[key, pack(value, tensors, f"{path}/{key}")] for key, value in tree.items()]}
    if isinstance(tree, (list, tuple)):
        items = [pack(value, tensors, f"{path}/{index}") for index, value in enumerate(tree)]
        return {"$tuple": items} if isinstance(tree, tuple) else items
    if tree is None or isinstance(tree, (bool, int, float, str)):
        return tree
    raise TypeError(f"{path} is a {type(tree).__name__}; state is tensors, numbers, texts, lists and dicts")


def unpack(tree: Any, tensors: dict[str, Tensor]) -> Any:
    """What `pack` was given."""
    if isinstance(tree, dict):
        if "$tensor" in tree:
            return tensors[tree["$tensor"]]
        if "$tuple" in tree:
            return tuple(unpack(value, tensors) for value in tree["$tuple"])
        if "$map" in tree:
            return {key: unpack(value, tensors) for key, value in tree["$map"]}
        return {key: unpack(value, tensors) for key, value in tree.items()}
    if isinstance(tree, list):
        return [unpack(value, tensors) for value in tree]
    return tree


def plain(tensor: Tensor) -> Tensor:
    """On the host, in the default memory format: as a file wants it."""
    return tensor.detach().to("cpu", copy=False).contiguous(memory_format=torch.contiguous_format)
