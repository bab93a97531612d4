"""Learn a language from plain text: guess the tokens that were hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt, Le, Lt

import modrack
from modrack_plugins.tasks.packing import cut, whole_tokens

if TYPE_CHECKING:
    from torch import Tensor

    from modrack import Batch, Data, Rows, Step

# What the loss passes over.
NOTHING = -100


@modrack.task(takes="text", target="none", needs="masked-tokens")
class MaskedLm(modrack.Task):
    """Guess hidden tokens from both sides (BERT's pretraining: Devlin et al., NAACL 2019, arXiv 1810.04805, 3.1).

    Masks are drawn anew each epoch, as RoBERTa does (Liu et al., 2019), and stay the same in every evaluation. Long
    texts are cut into rows that the model can read. Every row has one hidden token at least.
    """

    emits = ("nll", "predicted")

    def __init__(
        self,
        data: Data,
        processor: Any,
        *,
        hidden: Annotated[float, Gt(0), Lt(1), "share of the tokens that are to be guessed"] = 0.15,
        masked: Annotated[float, Ge(0), Le(1), "share of those that the mask's token replaces"] = 0.8,
        swapped: Annotated[float, Ge(0), Le(1), "share of those that another token replaces; the rest stay"] = 0.1,
        guesses: Annotated[int, Gt(0), "tokens that `predict` names for each mask in a text"] = 5,
    ) -> None:
        super().__init__(data, processor)
        if masked + swapped > 1:
            raise modrack.UserError(
                f"task.masked={masked} and task.swapped={swapped} are more than all tokens together.",
                "The rest of 1 stays as it is.",
            )
        if getattr(processor, "mask_token_id", None) is None:
            raise modrack.UserError(
                "task masked-lm: the model's tokenizer has no token for a mask.", "Take a model of BERT's kin."
            )
        if processor.num_special_tokens_to_add() != 2:
            raise modrack.UserError("task masked-lm: the tokenizer does not mark where a text begins and ends.")
        self.hidden, self.masked, self.swapped = hidden, masked, swapped
        self.guesses = guesses
        self._tables: dict[Any, tuple[Tensor, Tensor]] = {}

    def encode(self, rows: Rows) -> dict[str, Any]:
        return {"input_ids": whole_tokens(rows, self.data.input, self.processor, "masked-lm", marks=True)}

    def pack(self, columns: dict[str, Any]) -> dict[str, Any]:
        """Long texts cut into rows that the model can read."""
        return {"input_ids": cut(columns["input_ids"], self.processor.model_max_length)}

    def prepare(self, batch: Batch) -> Batch:
        """Hide tokens: `labels` has them, and -100 elsewhere."""
        ids = batch["whole"] = batch["input_ids"].long()
        special, ordinary = self._table(ids.device)
        # Three numbers a place, whatever the width: a row meets the same noise in any batch.
        chance, fate, other = batch.uniform(ids.shape[1], 3).unbind(-1)
        free = batch.mask("input_ids") & ~special[ids]
        chance = chance.masked_fill(~free, 2.0)
        chosen = (chance < self.hidden) | (chance == chance.amin(1, keepdim=True))
        chosen &= free
        batch["labels"] = ids.masked_fill(~chosen, NOTHING)
        swap = chosen & (fate >= self.masked) & (fate < self.masked + self.swapped)
        drawn = ordinary[(other * len(ordinary)).long()]
        shown = ids.masked_fill(chosen & (fate < self.masked), self.processor.mask_token_id)
        batch["input_ids"] = shown.where(~swap, drawn)
        return batch

    def count(self, batch: Batch, phase: str) -> Any:
        return (batch["labels"] != NOTHING).sum()

    def step(self, parts: Any, batch: Batch, phase: str) -> Step:
        from torch.nn import functional as F

        logits, labels = self.forward(parts.model, batch), batch["labels"]
        losses = F.cross_entropy(logits.float().flatten(0, 1), labels.flatten(), ignore_index=NOTHING, reduction="none")
        nll = losses.view(labels.shape).sum(1)
        return modrack.Step(nll, {"nll": nll.detach(), "predicted": (labels != NOTHING).sum(1)})

    def predict(self, parts: Any, batch: Batch) -> dict[str, Any]:
        """`text` with each mask in it filled, and `guesses`: for each mask the likeliest tokens with probabilities."""
        most = self.processor.model_max_length
        batch["input_ids"] = batch["whole"][:, :most]
        chances, tokens = self.forward(parts.model, batch).float().softmax(-1).topk(self.guesses)
        texts, guesses = [], []
        for row, ids in enumerate(batch["input_ids"].tolist()):
            places = [place for place, token in enumerate(ids) if token == self.processor.mask_token_id]
            for place in places:
                ids[place] = int(tokens[row, place, 0])
            texts.append(self.processor.decode(ids, skip_special_tokens=True))
            guesses.append(
                [
                    [(self.processor.decode([token]), chance) for token, chance in zip(*pair, strict=True)]
                    for pair in ((tokens[row, place].tolist(), chances[row, place].tolist()) for place in places)
                ]
            )
        return {"text": texts, "guesses": guesses}

    def _table(self, device: Any) -> tuple[Tensor, Tensor]:
        """Which tokens are never hidden, bool (tokens,), and the numbers of all others."""
        if device not in self._tables:
            import torch

            special = torch.zeros(len(self.processor), dtype=torch.bool)
            special[self.processor.all_special_ids] = True
            self._tables[device] = (special.to(device), (~special).nonzero()[:, 0].to(device))
        return self._tables[device]
