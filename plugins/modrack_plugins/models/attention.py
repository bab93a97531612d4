"""Attention masks that never make the host wait for the device."""

from __future__ import annotations

from typing import Any

from torch import nn

# Those whose attention goes both ways, so that a mask of the padding is the whole mask.
_BIDIRECTIONAL = frozenset({"bert", "distilbert", "electra", "roberta", "xlm-roberta", "camembert", "albert", "mpnet"})


def attend_without_waiting(model: nn.Module) -> None:
    """Give `model` its padding mask (n, width) as (n, 1, width, width).

    transformers looks into a two-dimensional mask to see whether anything is masked, in every forward, and on an
    accelerator that look waits for all work given so far. A four-dimensional one is taken as it is.
    """
    config: Any = model.config
    if config.model_type in _BIDIRECTIONAL and getattr(config, "_attn_implementation", None) == "sdpa":
        model.register_forward_pre_hook(_widen, with_kwargs=True)


def _widen(module: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    mask = kwargs.get("attention_mask")
    if mask is None or mask.ndim != 2:
        return args, kwargs
    width = mask.shape[1]
    return args, kwargs | {"attention_mask": mask.bool()[:, None, None, :].expand(-1, 1, width, width)}
