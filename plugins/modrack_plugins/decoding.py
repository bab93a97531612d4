"""From what a model says of each frame to a text: connectionist temporal classification, read greedily or by beam."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Prefix = tuple[int, ...]
Ends = tuple[float, float]

_NEVER = -math.inf


def greedy(scores: Tensor, frames: list[int]) -> list[list[int]]:
    """The likeliest symbol of each frame, repeats as one, blanks (0) left out. `scores` (n, frames, symbols)."""
    best = scores.argmax(-1).cpu()
    found = []
    for row, length in zip(best, frames, strict=True):
        symbols = row[:length].unique_consecutive().tolist() if length else []
        found.append([symbol for symbol in symbols if symbol])
    return found


def beam_search(log_probabilities: Tensor, width: int) -> list[int]:
    """The likeliest text of one row, (frames, symbols), summed over all its alignments; `width` prefixes are kept.

    Hannun et al., "First-Pass Large Vocabulary Continuous Speech Recognition using Bi-Directional Recurrent DNNs"
    (arXiv 1408.2873), without a language model.
    """
    # Of each prefix: log probability of its alignments that end in a blank, and of those that do not.
    beams: dict[Prefix, Ends] = {(): (0.0, _NEVER)}
    for frame in log_probabilities.tolist():
        # No prefix grows by a symbol that hardly anything speaks for.
        likely = sorted(range(1, len(frame)), key=lambda symbol: -frame[symbol])[:width]
        grown: dict[Prefix, Ends] = defaultdict(lambda: (_NEVER, _NEVER))
        for prefix, (blank, other) in beams.items():
            whole = _add(blank, other)
            ended, going = grown[prefix]
            grown[prefix] = (_add(ended, whole + frame[0]), going)
            for symbol in likely:
                longer: Prefix = (*prefix, symbol)
                if prefix and prefix[-1] == symbol:
                    # Without a blank between them they are one.
                    ended, going = grown[prefix]
                    grown[prefix] = (ended, _add(going, other + frame[symbol]))
                    ended, going = grown[longer]
                    grown[longer] = (ended, _add(going, blank + frame[symbol]))
                else:
                    ended, going = grown[longer]
                    grown[longer] = (ended, _add(going, whole + frame[symbol]))
        beams = dict(sorted(grown.items(), key=lambda item: -_add(*item[1]))[:width])
    # They stand in order, the likeliest first.
    return list(next(iter(beams)))


def _add(a: float, b: float) -> float:
    """log(exp(a) + exp(b))."""
    if a == _NEVER or b == _NEVER:
        return max(a, b)
    most = max(a, b)
    return most + math.log1p(math.exp(min(a, b) - most))
