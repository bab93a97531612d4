"""How well spans are found: a span counts where both ends and the type are right, and not in part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import modrack
from modrack_plugins.spans import CLOSING, OPENING, OUTSIDE, are_spans, split_tag

if TYPE_CHECKING:
    from torch import Tensor

    from modrack import Data


class Spans:
    """Counts spans on the device, by the rules of `modrack_plugins.spans`; keeps no logits."""

    def __init__(self, data: Data) -> None:
        import torch

        classes = data.classes or []
        if not are_spans(classes):
            odd = [name for name in classes if name != OUTSIDE and not are_spans([name])]
            told = ", ".join((odd or classes)[:6]) + (" …" if len(odd) > 6 else "")
            if 0 < len(odd) < len(classes) / 2:
                raise modrack.UserError(
                    f"metrics of spans: {told} among the classes is no tag as B-PER, I-PER, O.",
                    "Correct it in the data. Where it is meant so: --metric accuracy.",
                )
            raise modrack.UserError(
                f"metrics of spans: the classes are no tags as B-PER, I-PER, O, but {told}.",
                "For other classes say --metric accuracy.",
            )
        tags = [split_tag(name) for name in classes]
        kinds = sorted({kind for _, kind in tags if kind})
        # By class: the number of its type, 0 outside; whether it begins a span; whether it ends one.
        self.kinds = torch.tensor([kinds.index(kind) + 1 if kind else 0 for _, kind in tags])
        self.opens = torch.tensor([prefix in OPENING for prefix, _ in tags])
        self.closes = torch.tensor([prefix in CLOSING for prefix, _ in tags])
        # Right, found, true.
        self.sums = torch.zeros(3, dtype=torch.int64)

    def to(self, device: Any) -> None:
        """Move the counts, and what classes mean."""
        self.kinds, self.opens, self.closes = (each.to(device) for each in (self.kinds, self.opens, self.closes))
        self.sums = self.sums.to(device)

    def update(self, logits: Tensor, target: Tensor) -> None:
        """`logits` (rows, tokens, classes); `target` int64 (rows, tokens), -100 where a token has no label."""
        import torch

        hidden = target < 0
        # Tokens without a label may stand between others: what counts moves to the front, in order.
        order = hidden.to(torch.uint8).argsort(dim=1, stable=True)
        hidden = hidden.gather(1, order)
        begins, kinds, ends = self._find(target.gather(1, order).clamp_(min=0), hidden)
        other_begins, other_kinds, other_ends = self._find(logits.argmax(-1).gather(1, order), hidden)
        right = begins & other_begins & (kinds == other_kinds) & (ends == other_ends)
        self.sums += torch.stack([right.sum(), other_begins.sum(), begins.sum()])

    def _find(self, tags: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Whether a span begins at each token, its type, and the token behind it: each (rows, tokens)."""
        import torch
        from torch.nn.functional import pad

        kinds = self.kinds[tags].masked_fill_(hidden, 0)
        before = pad(kinds, (1, -1))
        begins = (kinds > 0) & (self.opens[tags] | pad(self.closes[tags], (1, -1)) | (before != kinds))
        width = tags.shape[1]
        # Behind a span comes the next begin, or the next token outside.
        breaks = torch.arange(width, device=tags.device).masked_fill(~(begins | (kinds == 0)), width)
        ends = breaks.flip(1).cummin(1).values.flip(1)
        return begins, kinds, pad(ends, (-1, 1), value=width)

    def _share(self, right: Tensor, of: Tensor) -> Tensor:
        return right / of.clamp(min=1)


@modrack.metric(better="higher", target="tokens")
class SpanF1(Spans):
    """Harmonic mean of span precision and recall, over all types together, as conlleval counts."""

    def compute(self) -> Tensor:
        """In [0, 1]; 0 where there is no span at all."""
        right, found, true = self.sums
        return self._share(2 * right, found + true)


@modrack.metric(better="higher", target="tokens")
class SpanPrecision(Spans):
    """Share of the spans that were found which are right."""

    def compute(self) -> Tensor:
        """In [0, 1]."""
        right, found, _ = self.sums
        return self._share(right, found)


@modrack.metric(better="higher", target="tokens")
class SpanRecall(Spans):
    """Share of the true spans that were found."""

    def compute(self) -> Tensor:
        """In [0, 1]."""
        right, _, true = self.sums
        return self._share(right, true)
