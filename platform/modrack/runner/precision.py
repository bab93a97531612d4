"""In what types a model computes."""

from __future__ import annotations

import contextlib
from typing import Any

import torch

# What is computed in these is cast from fp32 on its way; every other precision is fp32 throughout.
SHORT = {"bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(device: torch.device, precision: str | None) -> Any:
    """A context, to be entered again and again, in which the forward computes in `precision` of the plan."""
    return torch.autocast(device.type, SHORT[precision]) if precision in SHORT else contextlib.nullcontext()
