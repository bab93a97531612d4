"""Encoders whose classifier reads the first token: their last layer is computed for that token alone.

What the others would become there, nobody sees. Of a layer's products that leaves keys and values: of six layers, a
seventh of all work less. Outputs and gradients are those of the whole layer, but for the order of sums; with dropout
the masks are others.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

from torch import Tensor, nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.bert.modeling_bert import eager_attention_forward


def read_first_token(model: nn.Module) -> nn.Module | None:
    """Let the last layer of `model` give (n, 1, width), where its classifier is known to read no more; that layer."""
    family = _FAMILIES.get(type(model).__name__)
    body: Any = model.base_model
    config: Any = model.config
    if family is None or getattr(config, "is_decoder", False) or getattr(config, "add_cross_attention", False):
        return None
    layers = body.transformer.layer if family is _distilbert else body.encoder.layer
    if not len(layers):
        return None
    last: nn.Module = layers[-1]
    last.forward = MethodType(family, last)
    return last


def _bert(
    layer: Any,
    hidden_states: Tensor,
    attention_mask: Tensor | None = None,
    encoder_hidden_states: Tensor | None = None,
    **kwargs: Any,
) -> Tensor:
    first = hidden_states[:, :1]
    attention = layer.attention.self
    projections = (attention.query, attention.key, attention.value)
    attended = layer.attention.output(_attend(attention, projections, hidden_states, attention_mask, kwargs), first)
    given: Tensor = layer.feed_forward_chunk(attended)
    return given


def _distilbert(layer: Any, hidden_states: Tensor, attention_mask: Tensor | None = None, **kwargs: Any) -> Tensor:
    attention = layer.attention
    projections = (attention.q_lin, attention.k_lin, attention.v_lin)
    attended = attention.out_lin(_attend(attention, projections, hidden_states, attention_mask, kwargs))
    attended = layer.sa_layer_norm(attended + hidden_states[:, :1])
    given: Tensor = layer.output_layer_norm(layer.ffn(attended) + attended)
    return given


def _attend(
    attention: Any, projections: tuple[nn.Module, ...], hidden: Tensor, mask: Tensor | None, more: dict[str, Any]
) -> Tensor:
    """What the first token attends to: (n, 1, width) of (n, tokens, width)."""
    query, key, value = (
        projection(each).unflatten(-1, (-1, attention.attention_head_size)).transpose(1, 2)
        for projection, each in zip(projections, (hidden[:, :1], hidden, hidden), strict=True)
    )
    # The plain formula is no interface; each family has the same one.
    attend = ALL_ATTENTION_FUNCTIONS.get_interface(attention.config._attn_implementation, eager_attention_forward)
    attended, _ = attend(
        attention,
        query,
        key,
        value,
        None if mask is None else mask[:, :, :1],
        dropout=attention.dropout.p if attention.training else 0.0,
        scaling=attention.scaling,
        **more,
    )
    whole: Tensor = attended.reshape(len(hidden), 1, -1)
    return whole


for _each in (_bert, _distilbert):
    # A pickle keeps a method by its name, and finds the class's own by it, which computes all tokens.
    _each.__name__ = "forward"

_FAMILIES = {
    "BertForSequenceClassification": _bert,
    "RobertaForSequenceClassification": _bert,
    "XLMRobertaForSequenceClassification": _bert,
    "CamembertForSequenceClassification": _bert,
    "ElectraForSequenceClassification": _bert,
    "DistilBertForSequenceClassification": _distilbert,
}
