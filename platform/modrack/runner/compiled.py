"""Parts compiled by torch: the repeated layers of each one by one, or else the whole."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from modrack.runner.layers import repeated_layers
from modrack.runner.plan import Plan


def compile_part(part: nn.Module, plan: Plan, *, asked: bool) -> None:
    """Compile `part` in place, as `plan` says; names of its weights stay. What was not `asked` for may fail silently.

    Layers of one class share what is compiled, so that a deep model takes no longer than a flat one.
    """
    dynamic, mode = plan["dynamic"], plan["compile_mode"]
    # None lets torch look: a size that changes is made dynamic once it has changed.
    options: dict[str, Any] = {"dynamic": dynamic or None, "mode": None if mode == "default" else mode}
    for module in repeated_layers(part).values() or [part]:
        module.compile(**options)
    if not asked:
        # What the compiler cannot do goes on without it.
        torch._dynamo.config.suppress_errors = True
