"""Spoken digits: ten words in many voices, for sound classification."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Ge, Gt

import modrack


@modrack.dataset(name="spoken-digits", gives="audio", target="class", example={"takes": 1})
def spoken_digits(
    *,
    takes: Annotated[int, Gt(0), "times that each voice says each digit, at another speed and pitch"] = 3,
    rate: Annotated[int, Ge(4000), "samples a second"] = 8000,
    seed: Annotated[int, Ge(0), "of speeds and pitches"] = 0,
) -> Any:
    """The digits zero to nine, said by espeak-ng in 91 voices; those of test and validation are in no other split.

    A voice is one of 7 accents of English and 13 speakers. Made once and kept in the cache folder.
    """
    import numpy as np
    from datasets import ClassLabel

    from modrack_plugins.datasets.speech import ACCENTS, DIGITS, SPEAKERS, Utterance, spoken

    generator = np.random.default_rng(seed)
    splits = {
        split: [
            Utterance(word, accent, speaker, int(generator.integers(120, 200)), int(generator.integers(25, 75)))
            for accent in ACCENTS
            for speaker in speakers
            for word in DIGITS
            for _ in range(takes)
        ]
        for split, speakers in SPEAKERS.items()
    }
    return spoken(splits, rate, "label", ClassLabel(names=list(DIGITS)))
