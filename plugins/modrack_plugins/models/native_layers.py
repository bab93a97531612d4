"""Which layers of a model are computed by kernels in C, when, and where their weights are found."""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from modrack.native import in_use, library
from modrack_plugins.models.encoder_layer import FUNCTIONS, SOURCE, Shape, Weights, encode

# Of so many tokens they were measured, at a quarter of the time that torch takes; none of the families reads more.
LONGEST = 512
# Below this a mask that is added to scores means never.
_NEVER = -1e4


def compute_natively(model: nn.Module, first: nn.Module | None = None) -> None:
    """Let the layers of `model`, where they are of a known family, compute natively while they train in bf16 on a CPU.

    Whether they do is asked at each forward: the plan of a run decides it, and adapters or hooks may have come. Of the
    layer `first` only the first token is wanted.
    """
    config: Any = getattr(model, "config", None)
    if getattr(config, "is_decoder", False) or getattr(config, "add_cross_attention", False):
        return
    layer: Any
    for layer in model.modules():
        read = _FAMILIES.get(type(layer).__name__)
        if read is not None and not hasattr(layer, "plain_forward"):
            # Kept as attributes, not in a closure: a copy of the layer must find its own.
            layer.plain_forward, layer.read_natively, layer.first_alone = layer.forward, read, layer is first
            layer.forward = MethodType(_forward, layer)


def _forward(layer: Any, hidden_states: Tensor, attention_mask: Tensor | None = None, *args: Any, **kwargs: Any) -> Any:
    if _trains(layer, hidden_states):
        shape, modules = layer.read_natively(layer)
        n, tokens, _ = hidden_states.shape
        if shape is not None and all(map(_is_plain, modules)) and not any(map(_is_watched, layer.modules())):
            known, visible = _visible(attention_mask, n, tokens)
            kernels = library(SOURCE, FUNCTIONS) if known else None
            if kernels is not None:
                weights = Weights(*(each for module in modules for each in (module.weight, module.bias)))
                return encode(kernels, hidden_states.float().contiguous(), visible, shape, weights)
    return layer.plain_forward(hidden_states, attention_mask, *args, **kwargs)


# A pickle keeps a method by its name, and finds the class's own by it.
_forward.__name__ = "forward"


def _trains(layer: nn.Module, hidden: Tensor) -> bool:
    return (
        in_use()
        and layer.training
        and torch.is_grad_enabled()
        and hidden.device.type == "cpu"
        and hidden.shape[1] <= LONGEST
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
    )


def _is_plain(module: Any) -> bool:
    """Whether the module is torch's own, with weights as the kernels want them."""
    return (
        type(module) in (nn.Linear, nn.LayerNorm)
        and module.bias is not None
        and module.weight.dtype == torch.float32
        and module.weight.is_contiguous()
    )


def _is_watched(module: Any) -> bool:
    """Whether somebody wants to see what goes through the module; hooks of the layer itself see it as ever."""
    hooked = module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks
    return bool(hooked) and not hasattr(module, "plain_forward")


def _visible(mask: Tensor | None, n: int, tokens: int) -> tuple[bool, Tensor | None]:
    """Whether `mask` only says which tokens of a row are none, and where a token may be looked at, (n, tokens).

    It is (n, 1, queries, tokens), true or 0 where a query may look; all queries of a row must look at the same tokens,
    as with padding. The answer is kept with the mask, which all layers are given.
    """
    if mask is None:
        return True, None
    answer: tuple[bool, Tensor | None] | None = getattr(mask, "_visible_natively", None)
    if answer is None:
        answer = False, None
        if mask.ndim == 4 and mask.shape[:2] == (n, 1) and mask.shape[3] == tokens:
            row = mask[:, 0, 0]
            seen = row if row.dtype == torch.bool else row == 0
            alike = mask.shape[2] == 1 or mask.stride(2) == 0 or bool((mask == mask[:, :, :1]).all())
            if alike and (row.dtype == torch.bool or bool((seen | (row < _NEVER)).all())):
                answer = True, seen.contiguous()
        mask._visible_natively = answer  # type: ignore[attr-defined]
    return answer


def _bert(layer: Any) -> tuple[Shape | None, list[nn.Module]]:
    asking, output, last = layer.attention.self, layer.attention.output, layer.output
    shape = Shape(
        asking.num_attention_heads,
        output.LayerNorm.eps,
        asking.dropout.p if asking.training else 0.0,
        _share(output.dropout),
        _share(last.dropout),
        layer.first_alone,
    )
    wide = layer.intermediate.dense
    modules = [asking.query, asking.key, asking.value, output.dense, output.LayerNorm, wide, last.dense, last.LayerNorm]
    return _known(shape, layer.intermediate.intermediate_act_fn, asking.attention_head_size, last.LayerNorm), modules


def _distilbert(layer: Any) -> tuple[Shape | None, list[nn.Module]]:
    asking, rest = layer.attention, layer.ffn
    shape = Shape(
        asking.n_heads,
        layer.sa_layer_norm.eps,
        asking.dropout.p if asking.training else 0.0,
        0.0,
        _share(rest.dropout),
        layer.first_alone,
    )
    modules = [
        asking.q_lin, asking.k_lin, asking.v_lin, asking.out_lin, layer.sa_layer_norm, rest.lin1, rest.lin2,
        layer.output_layer_norm,
    ]  # fmt: skip
    return _known(shape, rest.activation, asking.attention_head_size, layer.output_layer_norm), modules


def _share(dropout: nn.Dropout) -> float:
    """What it leaves out: nothing where it was set to evaluate, though the layer trains."""
    return dropout.p if dropout.training else 0.0


def _known(shape: Shape, activation: nn.Module, size: int, last: Any) -> Shape | None:
    """`shape`, where the kernels have what it asks for."""
    same = type(activation).__name__ == "GELUActivation" and size % 16 == 0 and last.eps == shape.eps
    return shape if same else None


_FAMILIES: dict[str, Any] = {
    "BertLayer": _bert,
    "RobertaLayer": _bert,
    "XLMRobertaLayer": _bert,
    "CamembertLayer": _bert,
    "ElectraLayer": _bert,
    "TransformerBlock": _distilbert,
}
