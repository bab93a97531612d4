"""Which class is each word of: named entities by their tags, parts of speech."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Lt

import modrack
from modrack_plugins.spans import are_spans, cut_words, find_spans

if TYPE_CHECKING:
    from modrack import Batch, Data, Rows, Step

# Ends a word in the column `text`, where the words came one by one; as white space it is in no word.
_END = "\x1f"


@modrack.task(takes="text", target="tokens", needs="logits")
class TokenClassification(modrack.Task):
    """A class a word, learned at the word's first piece; tags as in BIO or BIOES make spans, such as names.

    Emits `logits` (rows, words, classes) and `target` (rows, words), which is -100 where a row has fewer words.
    """

    emits = ("logits", "target")

    def __init__(
        self,
        data: Data,
        processor: Any,
        *,
        label_smoothing: Annotated[float, Ge(0), Lt(1), "share of the target spread over all classes"] = 0.0,
    ) -> None:
        super().__init__(data, processor)
        self.label_smoothing = label_smoothing
        if not getattr(processor, "is_fast", False):
            raise modrack.UserError(
                f"task token-classification: {type(processor).__name__} does not say where a token comes from.",
                "Take a model whose tokenizer is a fast one, with a tokenizer.json.",
            )

    def encode(self, rows: Rows) -> dict[str, Any]:
        """`input_ids`; `words`, the place of each word's first piece among them; `target`, a class a word; `text`.

        A text that comes as a string is cut into words here, and one that comes in words is read with spaces between.
        """
        import numpy as np

        column = rows[self.data.input]
        texts, spans = zip(*map(_layout, column), strict=True) if len(rows) else ((), ())
        longest = self.processor.model_max_length
        cut = {"truncation": True, "max_length": longest} if longest < 10**6 else {}
        made = self.processor(
            list(texts), return_offsets_mapping=True, return_attention_mask=False, return_token_type_ids=False, **cut
        )
        places = [_first_pieces(*each) for each in zip(made["offset_mapping"], spans, strict=True)]
        lost = sum(map(len, spans)) - sum(map(len, places))
        if lost:
            warnings.warn(
                f"{lost} words lie beyond the {longest} tokens that the model reads of a text; they are neither "
                "learned nor measured. More are read with model.max_length.",
                stacklevel=2,
            )
        pad = self.processor.pad_token_id
        return {
            "input_ids": modrack.Ragged.of(made["input_ids"], 0 if pad is None else pad, np.int32),
            "words": modrack.Ragged.of(places, 0, np.int32),
            "target": self._targets(rows, spans, places),
            # For `predict`, which has nothing else to say what it found.
            "text": modrack.Ragged.of([np.frombuffer(_kept(each), np.uint8) for each in column], 0, np.uint8),
        }

    def _targets(self, rows: Rows, spans: Any, places: list[Any]) -> Any:
        import numpy as np

        label = self.data.label
        if label is None or label not in rows:
            return None
        targets = []
        for number, (labels, words, kept) in enumerate(zip(rows[label], spans, places, strict=True)):
            if len(labels) != len(words):
                raise modrack.UserError(
                    f"A row (the {number + 1}. of its chunk) has {len(words)} words in {self.data.input!r} and "
                    f"{len(labels)} labels in {label!r}.",
                    "There must be a label for each word.",
                )
            targets.append(labels[: len(kept)])
        return modrack.Ragged.of(targets, -100, np.int64)

    def count(self, batch: Batch, phase: str) -> int:
        """Words that have a label."""
        return int(batch.lengths["target"].sum())

    def step(self, parts: Any, batch: Batch, phase: str) -> Step:
        from torch.nn import functional as F

        logits, target = self._at_words(parts, batch), batch["target"]
        loss = F.cross_entropy(
            logits.flatten(0, 1),
            target.flatten(),
            reduction="sum",
            label_smoothing=self.label_smoothing if batch.training else 0.0,
        )
        return modrack.Step(loss, {"logits": logits, "target": target})

    def predict(self, parts: Any, batch: Batch) -> dict[str, Any]:
        """`entities`: label, text, start and end in the text, and the probability of the least sure word, a row each.

        Where the classes are no tags of spans: `labels`, the same for every word.
        """
        names = self.data.classes or []
        probability, index = self._at_words(parts, batch).softmax(-1).max(-1)
        spanning, found = are_spans(names), []
        for row, length in enumerate(batch.lengths["words"].tolist()):
            text, words = _layout(_unkept(bytes(batch["text"][row, : batch.lengths["text"][row]].tolist())))
            tags, sure = [names[i] for i in index[row, :length].tolist()], probability[row, :length].tolist()
            spans = find_spans(tags) if spanning else [(tag, place, place + 1) for place, tag in enumerate(tags)]
            found.append([_told(text, words, sure, *span) for span in spans])
        return {"entities" if spanning else "labels": found}

    def _at_words(self, parts: Any, batch: Batch) -> Any:
        """Logits at the first piece of each word, fp32 (rows, words, classes)."""
        logits = self.forward(parts.model, batch)
        if logits.ndim != 3:
            raise modrack.UserError(
                f"The model gives logits of shape {tuple(logits.shape)}, one answer a text.",
                "For the target tokens a model gives (rows, tokens, classes): see data.target in its factory.",
            )
        places = batch["words"].long()[..., None].expand(-1, -1, logits.shape[-1])
        return logits.gather(1, places).float()


def _layout(text: str | list[str]) -> tuple[str, list[tuple[int, int]]]:
    """A text, and start and end of each of its words."""
    if isinstance(text, str):
        return text, list(cut_words(text))
    spans, start = [], 0
    for word in text:
        spans.append((start, start + len(word)))
        start += len(word) + 1
    return " ".join(text), spans


def _first_pieces(offsets: list[tuple[int, int]], words: list[tuple[int, int]]) -> Any:
    """The place of the first piece that reaches into each word, in order; fewer than words where the text is cut off.

    A word that the tokenizer makes nothing of gets the piece after it.
    """
    import numpy as np

    bounds = np.asarray(offsets, np.int64).reshape(-1, 2)
    pieces = np.flatnonzero(bounds[:, 1] > bounds[:, 0])  # Special tokens come from nowhere.
    starts = np.asarray([start for start, _ in words], np.int64)
    found = np.searchsorted(bounds[pieces, 1], starts, side="right")
    return pieces[found[found < len(pieces)]]


def _kept(text: str | list[str]) -> bytes:
    whole = (
        text.replace(_END, " ") if isinstance(text, str) else "".join(word.replace(_END, " ") + _END for word in text)
    )
    return whole.encode("utf-8", "replace")


def _unkept(kept: bytes) -> str | list[str]:
    text = kept.decode("utf-8")
    return text.split(_END)[:-1] if _END in text else text


def _told(
    text: str, words: list[tuple[int, int]], sure: list[float], label: str, first: int, behind: int
) -> dict[str, Any]:
    start, end = words[first][0], words[behind - 1][1]
    return {
        "label": label,
        "text": text[start:end],
        "start": start,
        "end": end,
        "probability": min(sure[first:behind]),
    }
