"""A language model that reads from left to right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

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
    architecture: Annotated[
        Literal["llama", "gpt2"], "of a new model: llama has rotary positions and gated layers, and learns faster"
    ] = "llama",
    context: Annotated[int, Gt(2), "tokens that it looks back on"] = 256,
    layers: Layers = 4,
    width: Width = 192,
    heads: Heads = 3,
    tokenizer: Annotated[Literal["bpe", "characters", "wordpiece"], "which tokenizer to train for a new model"] = "bpe",
    vocabulary: Vocabulary = 2000,
) -> nn.Module:
    """A decoder that reads from left to right, with norms before each block.

    As LLaMA builds it (Touvron et al., 2023, arXiv 2302.13971), or GPT-2 (Radford et al., 2019). Continues texts where
    the data are texts alone, and classifies them where they have labels.
    """
    from modrack_plugins.models.heads import WRITERS
    from modrack_plugins.models.text import Fresh, build

    settings = _GPT2 if architecture == "gpt2" else _llama(width)
    fresh = None if checkpoint else Fresh(architecture, layers, width, heads, tokenizer, vocabulary, settings)
    model = build(data, ("gpt2", "llama"), checkpoint, revision, fresh, dropout, context, WRITERS)
    if data.target == "none":
        # transformers would look for padding in every batch, which waits for the device. None is looked back on.
        model.config.pad_token_id = None  # type: ignore[union-attr]
    return model


# The same function as GPT-2's own, in one kernel instead of eight.
_GPT2 = {"activation_function": "gelu_pytorch_tanh"}


def _llama(width: int) -> dict[str, Any]:
    # A gate makes three matrices of two: 8 / 3 of the width are as many weights as 4 without it (Shazeer, 2020, arXiv
    # 2002.05202). One table serves both ends, as in GPT-2: of a small model it is a large share.
    return {"intermediate_size": 8 * round(width / 3), "tie_word_embeddings": True}
