"""Which layers of a model are computed by kernels in C, when, and where their weights are found."""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from modrack.native import library
from modrack_plugins.models.encoder_layer import FUNCTIONS, SOURCE, Shape, Weights, encode

# Of more tokens the products of attention are large enough for torch's own to be faster.
LONGEST = 256


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
        if type(layer).__name__ in _FAMILIES:
            # Kept as attributes, not in a closure: a copy of the layer must find its own.
            layer.plain_forward, layer.first_alone = layer.forward, layer is first
            layer.forward = MethodType(_forward, layer)


def _forward(layer: Any, hidden_states: Tensor, attention_mask: Tensor | None = None, *args: Any, **kwargs: Any) -> Any:
    if _trains(layer, hidden_states):
        shape, modules = _FAMILIES[type(layer).__name__](layer)
        fitting = shape is not None and all(map(_is_plain, modules))
        kernels = library(SOURCE, FUNCTIONS) if fitting else None
        if kernels is not None:
            weights = Weights(*(each for module in modules for each in (module.weight, module.bias)))
            return encode(kernels, hidden_states.float().contiguous(), _visible(attention_mask), shape, weights)
    return layer.plain_forward(hidden_states, attention_mask, *args, **kwargs)


def _trains(layer: nn.Module, hidden: Tensor) -> bool:
    return (
        layer.training
        and torch.is_grad_enabled()
        and hidden.device.type == "cpu"
        and hidden.shape[1] <= LONGEST
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
    )


def _is_plain(module: Any) -> bool:
    """Whether the module is torch's own, with nothing that wants to see what goes through it."""
    return (
        type(module) in (nn.Linear, nn.LayerNorm)
        and module.bias is not None
        and module.weight.dtype == torch.float32
        and module.weight.is_contiguous()
        and not (module._forward_hooks or module._forward_pre_hooks or module._backward_hooks)
    )


def _visible(mask: Tensor | None) -> Tensor | None:
    """Where a token may be looked at, (n, tokens), of a mask (n, 1, tokens, tokens): true, or what is added to scores.

    All tokens of a row see the same ones: its padding is what the mask is of.
    """
    if mask is None:
        return None
    row = mask[:, 0, 0]
    return (row if row.dtype == torch.bool else row >= 0).contiguous()


def _bert(layer: Any) -> tuple[Shape | None, list[nn.Module]]:
    asking, output, last = layer.attention.self, layer.attention.output, layer.output
    shape = Shape(
        asking.num_attention_heads,
        output.LayerNorm.eps,
        asking.dropout.p,
        output.dropout.p,
        last.dropout.p,
        layer.first_alone,
    )
    wide = layer.intermediate.dense
    modules = [asking.query, asking.key, asking.value, output.dense, output.LayerNorm, wide, last.dense, last.LayerNorm]
    return _known(shape, layer.intermediate.intermediate_act_fn, asking.attention_head_size, last.LayerNorm), modules


def _distilbert(layer: Any) -> tuple[Shape | None, list[nn.Module]]:
    asking, rest = layer.attention, layer.ffn
    shape = Shape(asking.n_heads, layer.sa_layer_norm.eps, asking.dropout.p, 0.0, rest.dropout.p, layer.first_alone)
    modules = [
        asking.q_lin, asking.k_lin, asking.v_lin, asking.out_lin, layer.sa_layer_norm, rest.lin1, rest.lin2,
        layer.output_layer_norm,
    ]  # fmt: skip
    return _known(shape, rest.activation, asking.attention_head_size, layer.output_layer_norm), modules


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
