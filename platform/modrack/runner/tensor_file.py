"""A safetensors file written tensor by tensor, for weights that together are more than the memory there is.

The format: https://huggingface.co/docs/safetensors (eight bytes of length, a header in JSON, then the bytes of each).
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def write_tensors(
    path: Path, known: dict[str, tuple[tuple[int, ...], torch.dtype]], tensors: Iterable[tuple[str, Tensor]]
) -> None:
    """Write `tensors`, which come in the order of `known`, their shapes and types. Raises ValueError for others."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    place = 0
    for name, (shape, dtype) in known.items():
        size = math.prod(shape) * dtype.itemsize
        header[name] = {"dtype": _NAMES[dtype], "shape": list(shape), "data_offsets": [place, place + size]}
        place += size
    text = json.dumps(header).encode("utf-8")
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        wanted = iter(known.items())
        for name, tensor in tensors:
            expected = next(wanted, None)
            if expected != (name, (tuple(tensor.shape), tensor.dtype)):
                raise ValueError(f"{path.name}: {name} came where {expected} was announced")
            if tensor.numel():
                file.write(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        if next(wanted, None) is not None:
            raise ValueError(f"{path.name}: tensors are missing")
