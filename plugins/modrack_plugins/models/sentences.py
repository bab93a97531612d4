"""Models that turn a text into one vector, so that what means the same lies close together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import modrack
from modrack_plugins.models.transformers import Checkpoint as Source
from modrack_plugins.models.transformers import (
    Dropout,
    Heads,
    Layers,
    MaxLength,
    Pretrained,
    Revision,
    Tokenizer,
    Vocabulary,
    Width,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

    from modrack import Data


@modrack.model(
    takes="text",
    gives="embeddings",
    example={"pretrained": False, "layers": 1, "width": 16, "heads": 2, "vocabulary": 60},
)
def sentence_bert(
    data: Data,
    *,
    checkpoint: Source = "google-bert/bert-base-uncased",
    revision: Revision = None,
    pretrained: Pretrained = True,
    dropout: Dropout = None,
    max_length: MaxLength = 128,
    layers: Layers = 4,
    width: Width = 256,
    heads: Heads = 4,
    tokenizer: Tokenizer = "wordpiece",
    vocabulary: Vocabulary = 8000,
) -> nn.Module:
    """BERT without a head: the mean of its last layer over a text's tokens (Reimers and Gurevych, EMNLP 2019).

    Checkpoints of other architectures are taken too; a new model is a BERT. Called with `input_ids` and
    `attention_mask` (rows, tokens) it gives (rows, width).
    """
    from modrack_plugins.models.heads import BODIES
    from modrack_plugins.models.text import Fresh, build

    fresh = None if pretrained else Fresh("bert", layers, width, heads, tokenizer, vocabulary)
    model: Any = build(data, None, checkpoint, revision, fresh, dropout, max_length, BODIES)
    if getattr(model, "pooler", None) is not None:
        # A layer over the first token that nobody asks for: its weights would never learn.
        model.pooler = None
    model.register_forward_hook(_mean, with_kwargs=True)
    made: nn.Module = model
    return made


def _mean(module: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> Tensor:
    """The mean over real tokens. A hook, so that the weights are saved as transformers names them."""
    hidden: Tensor = output.last_hidden_state
    mask = kwargs.get("attention_mask")
    if mask is None:
        return hidden.mean(1)
    real = (mask[:, 0, 0] if mask.ndim == 4 else mask).to(hidden.dtype)[..., None]
    mean: Tensor = (hidden * real).sum(1) / real.sum(1)
    return mean
