"""Text models from random weights, in a size of one's own and with a tokenizer trained on the data."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from torch import nn
from transformers import AutoConfig

import modrack
from modrack_plugins.models.configs import adapt, building, check_size
from modrack_plugins.models.heads import Head
from modrack_plugins.models.tokenizers import train_tokenizer

# Texts that a tokenizer learns from: more change little, and a stream has no end.
TEXTS = 200_000


@dataclass(frozen=True)
class Fresh:
    """The size of a new model and its tokenizer; `settings` are further values of its configuration."""

    architecture: str
    layers: int
    width: int
    heads: int
    tokenizer: str
    vocabulary: int
    settings: Mapping[str, Any] = field(default_factory=dict)


def make_fresh(data: modrack.Data, fresh: Fresh, head: Head, dropout: float | None, max_length: int) -> nn.Module:
    """The model, with its tokenizer as the attribute `processor`."""
    if fresh.width % fresh.heads:
        raise modrack.UserError(f"model.width={fresh.width} is no multiple of model.heads={fresh.heads}.")
    if fresh.architecture not in head.architectures:
        near = difflib.get_close_matches(fresh.architecture, sorted(head.architectures), 3) or ["bert", "electra"]
        raise modrack.UserError(
            f"model.architecture={fresh.architecture}: transformers has none of this name that can {head.does}.",
            f"For instance: {', '.join(near)}.",
        )
    usual = AutoConfig.for_model(fresh.architecture)
    # RoBERTa and its kin number the padding 1, and positions from behind it.
    roberta = getattr(usual, "pad_token_id", None) == 1
    texts = islice(data.texts(), TEXTS)
    tokenizer = train_tokenizer(texts, fresh.tokenizer, fresh.vocabulary, max_length, sentence_marks=roberta)
    positions = max_length + (2 if roberta else 0)
    try:
        sizes = _sizes(usual, fresh, len(tokenizer), positions)
        config = AutoConfig.for_model(fresh.architecture, **{**sizes, **fresh.settings})
        config.pad_token_id = tokenizer.pad_token_id
        config.bos_token_id, config.eos_token_id = tokenizer.cls_token_id, tokenizer.sep_token_id
        if config.is_encoder_decoder:
            config.decoder_start_token_id = tokenizer.pad_token_id
        adapt(config, data, 0.1 if dropout is None else dropout)
        check_size(head.maker, config)
        model: nn.Module = head.maker.from_config(config, **building(config))
    except modrack.UserError:
        raise
    except Exception as error:
        # Each architecture has conditions of its own, and its own ways to say so.
        raise modrack.UserError(
            f"A new {fresh.architecture} model of this size cannot be made: {' '.join(str(error).split())[:200]}",
            "Try another model.architecture, or a folder with model.checkpoint=FOLDER.",
        ) from error
    model.processor = tokenizer
    return model


def _sizes(usual: Any, fresh: Fresh, vocabulary: int, positions: int) -> dict[str, Any]:
    """The sizes by the names that the configuration `usual` has for them."""
    width, heads, layers = fresh.width, fresh.heads, fresh.layers
    sizes = {
        "vocab_size": vocabulary,
        "max_position_embeddings": positions,
        "hidden_size": width,
        "embedding_size": width,
        "pooler_hidden_size": width,
        "word_embed_proj_dim": width,
        "num_hidden_layers": layers,
        "encoder_layers": layers,
        "decoder_layers": layers,
        "num_decoder_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "encoder_attention_heads": heads,
        "decoder_attention_heads": heads,
        "head_dim": width // heads,
        "d_head": width // heads,
        "d_kv": width // heads,
        "intermediate_size": 4 * width,
        "hidden_dim": 4 * width,
        "ffn_dim": 4 * width,
        "encoder_ffn_dim": 4 * width,
        "decoder_ffn_dim": 4 * width,
        "d_ff": 4 * width,
        "d_inner": 4 * width,
        "type_vocab_size": 1,
    }
    if getattr(usual, "max_position_embeddings", 0) == -1:
        # XLNet's way of saying that there is no limit; it does not let itself be given one.
        del sizes["max_position_embeddings"]
    return {name: value for name, value in sizes.items() if hasattr(usual, name)}
