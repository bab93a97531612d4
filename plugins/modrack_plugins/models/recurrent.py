"""Recurrent networks over texts, with a tokenizer trained on the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Gt, Lt

import modrack

if TYPE_CHECKING:
    from torch import nn

    from modrack import Data

Width = Annotated[int, Gt(0), "units of a layer, in each direction"]
Layers = Annotated[int, Gt(0), "layers, one upon the other"]
Bidirectional = Annotated[bool, "also read from the end; what both know is put side by side"]
Dropout = Annotated[float, Ge(0), Lt(1), "share left out in training: of embeddings, between layers, before the head"]
Blanks = Annotated[float, Ge(0), Lt(1), "share of tokens left out whole in training, as words nobody made out"]
Embedding = Annotated[int, Gt(0), "numbers that stand for a token"]
Pooling = Annotated[
    Literal["last", "max", "mean"],
    "what of a text is classified: the last states, or the largest or mean ones; labels of tokens need none",
]
Tokenizer = Annotated[Literal["characters", "words", "wordpiece", "bpe"], "which tokenizer to train"]
Vocabulary = Annotated[int, Gt(10), "tokens that the tokenizer may have"]
MaxLength = Annotated[int, Gt(2), "tokens of a row that are read, special ones counted"]
Checkpoint = Annotated[
    str | None,
    "a BERT or the like to take tokenizer and token embeddings from: a folder, a run as run:7, or a name on the Hub",
]

_SMALL = {"width": 8, "embedding": 8, "vocabulary": 60}


@modrack.model(takes="text", gives="logits", example=_SMALL)
def lstm(
    data: Data,
    *,
    width: Width = 256,
    layers: Layers = 1,
    bidirectional: Bidirectional = True,
    dropout: Dropout = 0.3,
    blanks: Blanks = 0.0,
    embedding: Embedding = 128,
    pooling: Pooling = "max",
    tokenizer: Tokenizer = "wordpiece",
    vocabulary: Vocabulary = 8000,
    max_length: MaxLength = 256,
    checkpoint: Checkpoint = None,
) -> nn.Module:
    """Long short-term memory, to both sides (Hochreiter and Schmidhuber, Neural Computation 9, 1997)."""
    from modrack_plugins.models.rnn import Shape, Texts, build

    shape = Shape(width, layers, bidirectional, dropout, blanks, embedding, pooling)
    return build(data, "LSTM", shape, Texts(tokenizer, vocabulary, max_length, checkpoint))


@modrack.model(takes="text", gives="logits", example=_SMALL)
def gru(
    data: Data,
    *,
    width: Width = 256,
    layers: Layers = 1,
    bidirectional: Bidirectional = True,
    dropout: Dropout = 0.3,
    blanks: Blanks = 0.0,
    embedding: Embedding = 128,
    pooling: Pooling = "max",
    tokenizer: Tokenizer = "wordpiece",
    vocabulary: Vocabulary = 8000,
    max_length: MaxLength = 256,
    checkpoint: Checkpoint = None,
) -> nn.Module:
    """Gated recurrent units, to both sides (Cho et al., EMNLP 2014, arXiv 1406.1078)."""
    from modrack_plugins.models.rnn import Shape, Texts, build

    shape = Shape(width, layers, bidirectional, dropout, blanks, embedding, pooling)
    return build(data, "GRU", shape, Texts(tokenizer, vocabulary, max_length, checkpoint))
