"""Error rates are those of jiwer over all rows, however these come."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from modrack_plugins.metrics.transcripts import CharacterErrorRate, WordErrorRate
from modrack_plugins.tasks.ctc import _edits

jiwer = pytest.importorskip("jiwer")
WORDS = ["one", "two", "three", "oh", "nine"]
DATA: Any = SimpleNamespace()


def transcripts(seed: int) -> tuple[list[str], list[str]]:
    """Sixty strings of words, and what somebody understood, with words left out, put in and changed."""
    generator = np.random.default_rng(seed)
    said, made = [], []
    for _ in range(60):
        words = list(generator.choice(WORDS, int(generator.integers(1, 7))))
        said.append(" ".join(words))
        heard = [word for word in words if generator.random() > 0.2]
        heard = [str(generator.choice(WORDS)) if generator.random() < 0.2 else word for word in heard]
        made.append(" ".join([*heard, *(["two"] if generator.random() < 0.3 else [])]))
    return said, made


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("size", [1, 7, 60])
def test_any_batching_gives_jiwers_rates(seed: int, size: int) -> None:
    said, made = transcripts(seed)
    words, characters = WordErrorRate(DATA), CharacterErrorRate(DATA)
    for first in range(0, 60, size):
        some = said[first : first + size]
        word_edits, character_edits = map(torch.tensor, _edits(some, made[first : first + size]))
        words.update(word_edits, torch.tensor([len(text.split()) for text in some]))
        characters.update(character_edits, torch.tensor([len(text) for text in some]))
    assert words.compute() == pytest.approx(jiwer.wer(said, made), abs=1e-12)
    assert characters.compute() == pytest.approx(jiwer.cer(said, made), abs=1e-12)
    assert 0.2 < words.compute() < 1


def test_without_words_there_is_no_rate() -> None:
    assert math.isnan(WordErrorRate(DATA).compute())
