"""Text models of the library transformers: from a checkpoint, or from random weights with a tokenizer of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Gt, Lt

import modrack

if TYPE_CHECKING:
    from torch import nn

    from modrack import Data

Checkpoint = Annotated[str | None, "a folder, a run of yours as run:7, or a name on the Hugging Face Hub"]
Revision = Annotated[str | None, "commit, tag or branch on the Hub; a commit makes the run repeatable"]
Pretrained = Annotated[bool, "false: random weights, and a tokenizer trained on the data"]
Dropout = Annotated[float | None, Ge(0), Lt(1), "in all places; none: as the checkpoint has it, 0.1 in a new model"]
MaxLength = Annotated[int, Gt(2), "tokens of a row that are read, special ones counted"]
Layers = Annotated[int, Gt(0), "layers of a new model"]
Width = Annotated[int, Gt(0), "hidden size of a new model; a multiple of heads"]
Heads = Annotated[int, Gt(0), "attention heads of a new model"]
Tokenizer = Annotated[Literal["wordpiece", "bpe", "characters"], "which tokenizer to train for a new model"]
Vocabulary = Annotated[int, Gt(10), "tokens that a new tokenizer may have"]

_SMALL = {"pretrained": False, "layers": 1, "width": 16, "heads": 2, "vocabulary": 60}


@modrack.model(takes="text", gives=("logits", "masked-tokens"), example=_SMALL)
def bert(
    data: Data,
    *,
    checkpoint: Checkpoint = "google-bert/bert-base-uncased",
    revision: Revision = None,
    pretrained: Pretrained = True,
    dropout: Dropout = None,
    max_length: MaxLength = 256,
    layers: Layers = 4,
    width: Width = 256,
    heads: Heads = 4,
    tokenizer: Tokenizer = "wordpiece",
    vocabulary: Vocabulary = 8000,
) -> nn.Module:
    """BERT (Devlin et al., NAACL 2019, arXiv 1810.04805)."""
    from modrack_plugins.models.text import Fresh, build

    fresh = None if pretrained else Fresh("bert", layers, width, heads, tokenizer, vocabulary)
    return build(data, "bert", checkpoint, revision, fresh, dropout, max_length)


@modrack.model(takes="text", gives=("logits", "masked-tokens"), example=_SMALL)
def distilbert(
    data: Data,
    *,
    checkpoint: Checkpoint = "distilbert/distilbert-base-uncased",
    revision: Revision = None,
    pretrained: Pretrained = True,
    dropout: Dropout = None,
    max_length: MaxLength = 256,
    layers: Layers = 3,
    width: Width = 256,
    heads: Heads = 4,
    tokenizer: Tokenizer = "wordpiece",
    vocabulary: Vocabulary = 8000,
) -> nn.Module:
    """DistilBERT: half of BERT's layers, distilled (Sanh et al., 2019, arXiv 1910.01108)."""
    from modrack_plugins.models.text import Fresh, build

    fresh = None if pretrained else Fresh("distilbert", layers, width, heads, tokenizer, vocabulary)
    return build(data, "distilbert", checkpoint, revision, fresh, dropout, max_length)


@modrack.model(takes="text", gives=("logits", "masked-tokens"), example=_SMALL | {"vocabulary": 300})
def roberta(
    data: Data,
    *,
    checkpoint: Checkpoint = "FacebookAI/roberta-base",
    revision: Revision = None,
    pretrained: Pretrained = True,
    dropout: Dropout = None,
    max_length: MaxLength = 256,
    layers: Layers = 4,
    width: Width = 256,
    heads: Heads = 4,
    tokenizer: Tokenizer = "bpe",
    vocabulary: Vocabulary = 8000,
) -> nn.Module:
    """RoBERTa: BERT trained longer, with a byte-level vocabulary (Liu et al., 2019, arXiv 1907.11692)."""
    from modrack_plugins.models.text import Fresh, build

    fresh = None if pretrained else Fresh("roberta", layers, width, heads, tokenizer, vocabulary)
    return build(data, "roberta", checkpoint, revision, fresh, dropout, max_length)


@modrack.model(takes="text", gives=("logits", "masked-tokens"), example=_SMALL | {"architecture": "electra"})
def transformer(
    data: Data,
    *,
    checkpoint: Checkpoint = None,
    revision: Revision = None,
    pretrained: Pretrained = True,
    architecture: Annotated[str, "model_type of a new model, as transformers calls it"] = "bert",
    dropout: Dropout = None,
    max_length: MaxLength = 256,
    layers: Layers = 4,
    width: Width = 256,
    heads: Heads = 4,
    tokenizer: Tokenizer = "wordpiece",
    vocabulary: Vocabulary = 8000,
) -> nn.Module:
    """Any architecture of transformers that classifies texts or predicts masked tokens."""
    from modrack_plugins.models.text import Fresh, build

    fresh = None if pretrained else Fresh(architecture, layers, width, heads, tokenizer, vocabulary)
    return build(data, None, checkpoint, revision, fresh, dropout, max_length)
