"""A language model that reads from left to right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Gt

import modrack
from modrack_plugins.models.transformers import Dropout, Heads, Layers, Revision, Vocabulary, Width

if TYPE_CHECKING:
    from torch import nn

    from modrack import Data


@modrack.model(
    takes="text",
    gives=("logits", "next-tokens"),
    example={"layers": 1, "width": 16, "heads": 2, "context": 16, "tokenizer": "characters", "vocabulary": 60},
)
def gpt(
    data: Data,
    *,
    checkpoint: Annotated[str | None, "a folder, run:7, or a name on the Hub; none: random weights"] = None,
    revision: Revision = None,
    dropout: Dropout = None,
    context: Annotated[int, Gt(2), "tokens that it looks back on"] = 128,
    layers: Layers = 4,
    width: Width = 192,
    heads: Heads = 6,
    tokenizer: Annotated[Literal["bpe", "characters", "wordpiece"], "which tokenizer to train for a new model"] = "bpe",
    vocabulary: Vocabulary = 2000,
) -> nn.Module:
    """GPT-2: a decoder with learned positions and norms before each block (Radford et al., 2019).

    Continues texts where the data are texts alone, and classifies them where they have labels.
    """
    from modrack_plugins.models.heads import WRITERS
    from modrack_plugins.models.text import Fresh, build

    fresh = None if checkpoint else Fresh("gpt2", layers, width, heads, tokenizer, vocabulary)
    model = build(data, "gpt2", checkpoint, revision, fresh, dropout, context, WRITERS)
    if data.target == "none":
        # transformers would look for padding in every batch, which waits for the device. None is looked back on.
        model.config.pad_token_id = None  # type: ignore[union-attr]
    return model
