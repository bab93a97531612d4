"""The network behind `lstm` and `gru`: embeddings, layers in one or both directions, a linear head.

Padding never touches a result. Reading forwards, it comes after everything that counts; for reading backwards each
text is turned round within its own length, so that it comes last there too. That gives what packed sequences give,
and needs no lengths on the host, for which an accelerator would have to be waited for in every step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

import modrack
from modrack_plugins.models.checkpoints import UNREADABLE
from modrack_plugins.models.heads import BODIES
from modrack_plugins.models.text import build as build_text
from modrack_plugins.models.tokenizers import read_tokenizer, train_tokenizer

# Texts that a tokenizer learns from: more change little, and a stream has no end.
TEXTS = 200_000


@dataclass(frozen=True)
class Shape:
    """The sizes of a network, as the options of `lstm` and `gru` have them."""

    width: int
    layers: int
    bidirectional: bool
    dropout: float
    blanks: float
    embedding: int
    pooling: str


@dataclass(frozen=True)
class Texts:
    """How texts become tokens: by a tokenizer trained on the data, or by that of a checkpoint, with its embeddings."""

    tokenizer: str
    vocabulary: int
    max_length: int
    checkpoint: str | None


def build(data: modrack.Data, cell: Literal["LSTM", "GRU"], shape: Shape, texts: Texts) -> nn.Module:
    """The network, with its tokenizer as the attribute `processor`: that of `data.restore`, of a checkpoint, or a new
    one."""
    vectors = None
    if data.restore is not None:
        try:
            processor = read_tokenizer(data.restore)
        except UNREADABLE as error:
            raise modrack.UserError(
                f"The tokenizer in {data.restore} cannot be read: {' '.join(str(error).split())[:200]}"
            ) from None
    elif texts.checkpoint is not None:
        body: Any = build_text(data, None, texts.checkpoint, None, None, None, texts.max_length, BODIES)
        processor, vectors = body.processor, body.get_input_embeddings().weight.detach()
        if vectors.shape[1] != shape.embedding:
            raise modrack.UserError(
                f"model.embedding={shape.embedding}: a token of {texts.checkpoint} is {vectors.shape[1]} numbers.",
                f"Say model.embedding={vectors.shape[1]}.",
            )
    else:
        processor = train_tokenizer(data.texts(TEXTS), texts.tokenizer, texts.vocabulary, texts.max_length)
    # Of several targets some may be of each token and others of the whole text.
    sorts = {each.target for each in data.targets.values()} or {data.target}
    each_token, whole = "tokens" in sorts, sorts != {"tokens"}
    model = Recurrent(
        cell, shape, len(processor), data.outputs, processor.pad_token_id, each_token=each_token, whole=whole
    )
    if vectors is not None:
        model.embed.weight.data.copy_(vectors[: len(processor)])
    model.processor = processor
    return model


class Recurrent(nn.Module):
    """Token numbers (n, t) → logits: (n, outputs) of the `whole` text, (n, t, outputs) where `each_token` has its own.

    Of both a dict, {"whole": …, "tokens": …}.
    """

    def __init__(
        self,
        cell: Literal["LSTM", "GRU"],
        shape: Shape,
        tokens: int,
        outputs: int,
        pad: int,
        *,
        each_token: bool = False,
        whole: bool = True,
    ) -> None:
        super().__init__()
        self.pooling, self.each_token, self.whole = shape.pooling, each_token, whole
        self.embed = nn.Embedding(tokens, shape.embedding, pad)
        self.blank, self.dropout = nn.Dropout1d(shape.blanks), nn.Dropout(shape.dropout)
        directions = 2 if shape.bidirectional else 1
        sizes = [shape.embedding, *[directions * shape.width] * (shape.layers - 1)]
        # A network a direction, instead of torch's bidirectional one, which would begin to read back in the padding.
        make = nn.LSTM if cell == "LSTM" else nn.GRU
        self.there = nn.ModuleList(make(size, shape.width, batch_first=True) for size in sizes)
        back = sizes if shape.bidirectional else []
        self.back = nn.ModuleList(make(size, shape.width, batch_first=True) for size in back)
        self.head = nn.Linear(directions * shape.width, outputs)
        for layer in (*self.there, *self.back):
            _initialise(layer)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor | dict[str, Tensor]:
        """`input_ids` int64 (n, t); `attention_mask` (n, t), 1 where there is a token; None where nothing is padded."""
        lengths = None if attention_mask is None else attention_mask.sum(1)
        places = _turned(input_ids, lengths)
        states = self.dropout(self.blank(self.embed(input_ids)))
        for number, layer in enumerate(self.there):
            ahead, inputs = layer(states)[0], states
            states = ahead
            if self.back:
                states = torch.cat([ahead, _pick(self.back[number](_pick(inputs, places))[0], places)], -1)
            states = self.dropout(states)
        logits: dict[str, Tensor] = {}
        if self.whole:
            logits["whole"] = self.head(self._pool(states, attention_mask, lengths))
        if self.each_token:
            logits["tokens"] = self.head(states)
        return logits if len(logits) > 1 else next(iter(logits.values()))

    def _pool(self, states: Tensor, mask: Tensor | None, lengths: Tensor | None) -> Tensor:
        """(n, t, size) → (n, size), of real tokens only."""
        real = None if mask is None else mask.bool()[..., None]
        if self.pooling == "max":
            return (states if real is None else states.masked_fill(~real, float("-inf"))).amax(1)
        if self.pooling == "mean":
            if real is None or lengths is None:
                return states.mean(1)
            return states.masked_fill(~real, 0).sum(1) / lengths[:, None]
        width = states.shape[-1] // (2 if self.back else 1)
        if lengths is None:
            last = states[:, -1, :width]
        else:
            place = (lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, width)
            last = states[..., :width].gather(1, place)[:, 0]
        # Reading back ends at the first token.
        return torch.cat([last, states[:, 0, width:]], -1)


def _turned(input_ids: Tensor, lengths: Tensor | None) -> Tensor:
    """Where each place's token comes from when texts are turned round within their lengths: (n, t); its own inverse."""
    rows, width = input_ids.shape
    place = torch.arange(width, device=input_ids.device)
    if lengths is None:
        return (width - 1 - place).expand(rows, width)
    turned = lengths[:, None] - 1 - place
    return torch.where(turned < 0, place, turned)


def _pick(states: Tensor, places: Tensor) -> Tensor:
    return states.gather(1, places[..., None].expand(-1, -1, states.shape[-1]))


def _initialise(layer: nn.LSTM | nn.GRU) -> None:
    """Orthogonal steps in time, and gates that remember at first (Jozefowicz et al., ICML 2015, section 2.2)."""
    width = layer.hidden_size
    for name, weight in layer.named_parameters():
        if name.startswith("weight_hh"):
            for block in weight.data.split(width):
                nn.init.orthogonal_(block)
        elif name.startswith("weight_ih"):
            nn.init.xavier_uniform_(weight)
        else:
            nn.init.zeros_(weight)
            if name.startswith("bias_ih") and isinstance(layer, nn.LSTM):
                weight.data[width : 2 * width] = 1
