"""Speech recognition: which text was said, learned without knowing when."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Gt

import modrack
from modrack_plugins.decoding import beam_search, greedy

if TYPE_CHECKING:
    from torch import Tensor

    from modrack import Batch, Data, Rows, Step


@modrack.task(takes="audio", target="text", needs="frames")
class Ctc(modrack.Task):
    """A model gives a character or none for each frame (CTC; Graves et al., ICML 2006).

    It returns (scores (rows, frames, characters), frames a row). Characters are those of train's transcripts, none is
    the first; or those of the checkpoint that the model comes from. Emits the edits that make transcripts right.
    """

    emits = ("word_edits", "words", "character_edits", "characters")

    def __init__(
        self,
        data: Data,
        processor: Any,
        *,
        beam: Annotated[int, Gt(0), "prefixes kept in decoding; 1 takes the likeliest character of each frame"] = 1,
    ) -> None:
        super().__init__(data, processor)
        self.beam = beam
        tokenizer = getattr(processor, "tokenizer", processor)
        if tokenizer is not None and hasattr(tokenizer, "word_delimiter_token"):
            self._take_over(tokenizer)
        else:
            self.alphabet, self.space, self.upper = list(data.classes or [""]), " ", False
        self._numbers = {each: number for number, each in enumerate(self.alphabet) if each}

    def _take_over(self, tokenizer: Any) -> None:
        """The characters of a checkpoint's tokenizer, whose blank is its padding. Special ones say nothing."""
        known = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
        if tokenizer.pad_token_id != 0:
            raise modrack.UserError(
                f"task ctc: the blank of the checkpoint is number {tokenizer.pad_token_id}; it must be 0.",
                "Order vocab.json so that its [PAD] or <pad> comes first.",
            )
        special = set(tokenizer.all_special_tokens)
        self.alphabet = ["" if name in special else name for name, _ in known]
        self.space = tokenizer.word_delimiter_token
        letters = [each for each in self.alphabet if each.isalpha()]
        self.upper = bool(letters) and all(each.isupper() for each in letters)

    def encode(self, rows: Rows) -> dict[str, Any]:
        """`audio`, samples; `target`, numbers of characters; `said`, the transcript in UTF-8."""
        import numpy as np

        encoded: dict[str, Any] = {"audio": modrack.Ragged.of(rows[self.data.input], dtype=np.float32)}
        if self.data.label is None or self.data.label not in rows:
            return encoded
        texts = [" ".join(text.split()) for text in rows[self.data.label]]
        self._tell_unknown(texts)
        encoded["target"] = modrack.Ragged.of([self._written(text) for text in texts], dtype=np.int32)
        encoded["said"] = modrack.Ragged.of([list(text.encode()) for text in texts], dtype=np.uint8)
        return encoded

    def _written(self, text: str) -> list[int]:
        """Numbers of its characters; one that train lacks cannot be learned, but counts as a mistake when measured."""
        spelled = (text.upper() if self.upper else text).replace(" ", self.space)
        return [self._numbers[each] for each in spelled if each in self._numbers]

    def _tell_unknown(self, texts: list[str]) -> None:
        """Say which characters the model cannot write. Raises UserError where it knows none at all."""
        met = {each for text in texts for each in (text.upper() if self.upper else text)} - {" "}
        unknown = sorted(met - self._numbers.keys())
        if not unknown:
            return
        shown = " ".join(unknown[:12]) + (" …" if len(unknown) > 12 else "")
        if len(unknown) == len(met):
            raise modrack.UserError(
                f"task ctc: the model knows none of the characters of the transcripts: {shown}",
                f"It writes with: {' '.join(sorted(each for each in self._numbers if each.strip())[:40])}",
            )
        share = sum(any(each in unknown for each in (text.upper() if self.upper else text)) for text in texts)
        warnings.warn(
            f"{share} of {len(texts)} transcripts have characters that the model cannot write; "
            f"they count as mistakes: {shown}",
            stacklevel=2,
        )

    def step(self, parts: Any, batch: Batch, phase: str) -> Step:
        return self._learned(batch, *self._scores(parts, batch))

    def evaluate(self, parts: Any, batch: Batch) -> Step:
        """The loss, and the edits of what was read: decoding takes time, so that training does without."""
        log_probabilities, frames = self._scores(parts, batch)
        step = self._learned(batch, log_probabilities, frames)
        step.outputs = self._judged(batch, log_probabilities, frames)
        return step

    def _scores(self, parts: Any, batch: Batch) -> tuple[Tensor, Tensor]:
        """Log probabilities fp32 (rows, frames, characters), and how many frames of each row are real."""
        scores, frames = parts.model(batch["audio"], batch.lengths["audio"])
        return scores.float().log_softmax(-1), frames

    def _learned(self, batch: Batch, log_probabilities: Tensor, frames: Tensor) -> Step:
        from torch.nn import functional as F

        target, lengths = batch["target"], batch.lengths["target"]
        if target.shape[1] == 0:
            target = target.new_zeros((len(target), 1))
        losses = F.ctc_loss(
            log_probabilities.transpose(0, 1), target.long(), frames, lengths, reduction="none", zero_infinity=True
        )
        # Two equal characters need a frame between them.
        repeats = (target[:, 1:] == target[:, :-1]) & batch.mask("target")[:, 1:] if target.shape[1] > 1 else None
        needed = lengths + (0 if repeats is None else repeats.sum(1).to(lengths.device))
        # Sounds with fewer frames than characters teach nothing: their share is a mistake in the data worth seeing.
        short = (needed > frames.to(lengths.device)).float()
        logs = {"too_short": short.to(losses.device)} if batch.training else {}
        # By character, so that a long transcript does not take larger steps than a short one.
        return modrack.Step((losses / lengths.clamp(min=1).to(losses)).sum(), logs=logs)

    def _judged(self, batch: Batch, log_probabilities: Tensor, frames: Tensor) -> dict[str, Tensor]:
        import torch

        made = self._read(log_probabilities, frames)
        bytes_, lengths = batch["said"].cpu(), batch.lengths["said"].tolist()
        said = [
            bytes(row[:length].tolist()).decode(errors="replace") for row, length in zip(bytes_, lengths, strict=True)
        ]
        words, characters = _edits(said, made)
        device = log_probabilities.device
        found = {"word_edits": words, "character_edits": characters}
        counted = {"words": [len(text.split()) for text in said], "characters": [len(text) for text in said]}
        return {name: torch.tensor(values, device=device) for name, values in (found | counted).items()}

    def _read(self, log_probabilities: Tensor, frames: Tensor) -> list[str]:
        lengths = frames.tolist()
        if self.beam == 1:
            numbers = greedy(log_probabilities, lengths)
        else:
            rows = zip(log_probabilities.cpu(), lengths, strict=True)
            numbers = [beam_search(row[:length], self.beam) for row, length in rows]
        texts = ("".join(self.alphabet[number] for number in row).replace(self.space, " ") for row in numbers)
        return [" ".join((text.lower() if self.upper else text).split()) for text in texts]

    def predict(self, parts: Any, batch: Batch) -> dict[str, Any]:
        """`text`, and `probability`, the mean over frames of the likeliest character's."""
        log_probabilities, frames = self._scores(parts, batch)
        best = log_probabilities.amax(-1).exp()
        sure = [float(row[:length].mean()) for row, length in zip(best, frames.tolist(), strict=True)]
        return {"text": self._read(log_probabilities, frames), "probability": sure}


def _edits(said: list[str], made: list[str]) -> tuple[list[int], list[int]]:
    """Word and character edits of each row, by jiwer."""
    try:
        import jiwer
    except ImportError:
        raise modrack.UserError(
            "Counting mistakes in transcripts needs jiwer.", "pip install 'modrack[audio]'"
        ) from None
    words, characters = [], []
    for reference, text in zip(said, made, strict=True):
        if not reference:  # What was not said can only be made up.
            words.append(len(text.split()))
            characters.append(len(text))
            continue
        each = jiwer.process_words(reference.lower(), text.lower())
        words.append(each.substitutions + each.deletions + each.insertions)
        letters = jiwer.process_characters(reference.lower(), text.lower())
        characters.append(letters.substitutions + letters.deletions + letters.insertions)
    return words, characters
