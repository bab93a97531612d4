"""Learn a language from plain text: guess each token from those before it, and go on with a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Gt

import modrack
from modrack_plugins.tasks.packing import join, whole_tokens

if TYPE_CHECKING:
    from torch import Tensor

    from modrack import Batch, Data, Rows, Step


@modrack.task(takes="text", target="none", needs="next-tokens")
class CausalLm(modrack.Task):
    """Guess each token from those before it (Radford et al., 2018); `predict` continues a text.

    All texts stand end to end, a mark between them, cut into rows as long as the model reads: nothing is padded, and
    each token is predicted once.
    """

    emits = ("nll", "predicted")

    def __init__(
        self,
        data: Data,
        processor: Any,
        *,
        length: Annotated[int, Gt(0), "tokens that `predict` adds at most"] = 60,
        temperature: Annotated[float, Ge(0), "how bold `predict` is: 0 takes the likeliest, 1 draws"] = 0.0,
        top_k: Annotated[int | None, Gt(0), "draw from so many of the likeliest only"] = None,
    ) -> None:
        super().__init__(data, processor)
        if getattr(processor, "eos_token_id", None) is None:
            raise modrack.UserError("task causal-lm: the model's tokenizer has no token for the end of a text.")
        self.length, self.temperature, self.top_k = length, temperature, top_k

    def encode(self, rows: Rows) -> dict[str, Any]:
        return {"input_ids": whole_tokens(rows, self.data.input, self.processor, "causal-lm", marks=False)}

    def pack(self, columns: dict[str, Any]) -> dict[str, Any]:
        """Rows that fill the model's context, and the one token more that the last place predicts."""
        return {"input_ids": join(columns["input_ids"], self.processor.model_max_length + 1, self._end)}

    def count(self, batch: Batch, phase: str) -> Any:
        # Known on the host.
        return int(batch.lengths["input_ids"].sum()) - batch.size

    def step(self, parts: Any, batch: Batch, phase: str) -> Step:
        from torch.nn import functional as F

        ids, real = batch["input_ids"].long(), batch.mask("input_ids")[:, 1:]
        # No mask of the padding: it stands at the end, where nobody looks back on it.
        logits = parts.model(input_ids=ids[:, :-1]).logits
        losses = F.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
        nll = losses.view(real.shape).masked_fill(~real, 0).sum(1)
        return modrack.Step(nll, {"nll": nll.detach(), "predicted": real.sum(1)})

    def predict(self, parts: Any, batch: Batch) -> dict[str, Any]:
        """`text` with its continuation, and the `continuation` alone; the same each time for the same seed."""
        import torch

        lengths = batch.lengths["input_ids"].tolist()
        prompts = [row[:size] for row, size in zip(batch["input_ids"].tolist(), lengths, strict=True)]
        context = self.processor.model_max_length
        device = batch["input_ids"].device
        # The last tokens of each text, opened by the mark that stood between texts.
        recent = [[self._end, *prompt][-context:] for prompt in prompts]
        used = torch.tensor([len(each) for each in recent], device=device)
        window = torch.tensor([each + [self._end] * (context - len(each)) for each in recent], device=device)
        noise = batch.uniform(self.length).to(device)
        row, ended = torch.arange(len(prompts), device=device), torch.zeros(len(prompts), dtype=torch.bool)
        added: list[Tensor] = []
        for place in range(self.length):
            logits = parts.model(input_ids=window[:, : int(used.max())]).logits[row, used - 1].float()
            token = self._choose(logits, noise[:, place])
            added.append(token.cpu())
            ended |= added[-1] == self._end
            if bool(ended.all()):
                break
            full = used == context
            window = torch.where(full[:, None], window.roll(-1, 1), window)
            used = (used + 1).clamp(max=context)
            window[row, used - 1] = token
        continuations = [self._spell(self._until_end(tokens)) for tokens in torch.stack(added, 1).tolist()]
        texts = [self._spell(prompt) + more for prompt, more in zip(prompts, continuations, strict=True)]
        return {"text": texts, "continuation": continuations}

    @property
    def _end(self) -> int:
        return int(self.processor.eos_token_id)

    def _choose(self, logits: Tensor, noise: Tensor) -> Tensor:
        """One token a row, (rows,), of `logits` (rows, tokens) by `noise` (rows,) in [0, 1)."""
        if not self.temperature:
            return logits.argmax(-1)
        chances, tokens = (logits / self.temperature).softmax(-1).sort(descending=True)
        sums = chances[:, : self.top_k].cumsum(-1)
        place = (sums <= noise[:, None] * sums[:, -1:]).sum(-1, keepdim=True)
        return tokens.gather(1, place.clamp(max=sums.shape[1] - 1))[:, 0]

    def _until_end(self, tokens: list[int]) -> list[int]:
        return tokens[: tokens.index(self._end)] if self._end in tokens else tokens

    def _spell(self, tokens: list[int]) -> str:
        text: str = self.processor.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text
