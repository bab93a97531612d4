"""How far transcripts are from what was said: word and character error rates."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import modrack

if TYPE_CHECKING:
    from torch import Tensor

    from modrack import Data


class _Rate:
    """Edits over length, summed over all rows: long transcripts count more than short ones."""

    def __init__(self) -> None:
        import torch

        self.sums: Any = torch.zeros(2, dtype=torch.int64)

    def to(self, device: Any) -> None:
        """Move the sums."""
        self.sums = self.sums.to(device)

    def _add(self, edits: Tensor, length: Tensor) -> None:
        import torch

        self.sums += torch.stack([edits.sum(), length.sum()]).to(self.sums)

    def compute(self) -> float:
        """Edits over length; above 1 where much is made up, not a number where nothing was said."""
        edits, length = self.sums.tolist()
        return edits / length if length else math.nan


@modrack.metric(name="wer", better="lower")
class WordErrorRate(_Rate):
    """Words to replace, leave out or put in, over the words that were said."""

    def __init__(self, data: Data) -> None:
        super().__init__()

    def update(self, word_edits: Tensor, words: Tensor) -> None:
        """`word_edits` (rows,) to make a transcript what was said; `words` (rows,) that were said."""
        self._add(word_edits, words)


@modrack.metric(name="cer", better="lower")
class CharacterErrorRate(_Rate):
    """Characters to replace, leave out or put in, over the characters that were said, spaces too."""

    def __init__(self, data: Data) -> None:
        super().__init__()

    def update(self, character_edits: Tensor, characters: Tensor) -> None:
        """`character_edits` (rows,) to make a transcript what was said; `characters` (rows,) that were said."""
        self._add(character_edits, characters)
