"""Reading texts off frames: repeats, blanks, and the sum over alignments, against counting them all."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict

import pytest
import torch

from modrack_plugins.decoding import beam_search, greedy


def collapsed(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(symbol for symbol, _ in itertools.groupby(path) if symbol)


def by_counting(log_probabilities: torch.Tensor) -> dict[tuple[int, ...], float]:
    """The probability of each text, summed over every path through the frames."""
    found: dict[tuple[int, ...], float] = defaultdict(float)
    frames, symbols = log_probabilities.shape
    for path in itertools.product(range(symbols), repeat=frames):
        found[collapsed(path)] += math.exp(sum(log_probabilities[t, s].item() for t, s in enumerate(path)))
    return found


def test_greedy_takes_repeats_as_one_and_leaves_blanks_out() -> None:
    path = torch.tensor([[1, 1, 0, 1, 2, 2, 0, 0], [3, 0, 0, 2, 2, 2, 2, 2]])
    scores = torch.nn.functional.one_hot(path, 4).float()
    assert greedy(scores, [8, 4]) == [[1, 1, 2], [3, 2]]
    assert greedy(scores, [0, 1]) == [[], [3]]


@pytest.mark.parametrize("seed", range(8))
def test_a_wide_beam_finds_the_likeliest_text(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    log_probabilities = (torch.randn(6, 4, generator=generator) * 1.5).log_softmax(-1)
    texts = by_counting(log_probabilities)
    assert tuple(beam_search(log_probabilities, 200)) == max(texts, key=lambda text: texts[text])


def test_a_beam_finds_what_greedy_misses() -> None:
    # Blank is likeliest in each frame, but all alignments of "a" together are likelier than silence.
    log_probabilities = torch.tensor([[0.6, 0.4], [0.6, 0.4]]).log()
    assert greedy(log_probabilities[None], [2]) == [[]]
    assert beam_search(log_probabilities, 4) == [1]
