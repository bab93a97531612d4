"""Spoken strings of digits with their transcripts, for speech recognition."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Ge, Gt

import modrack


@modrack.dataset(name="spoken-strings", gives="audio", target="text", example={"rows": 40})
def spoken_strings(
    *,
    rows: Annotated[int, Gt(9), "strings to train on; a tenth and a fifth as many more for validation and test"] = 3000,
    longest: Annotated[int, Gt(0), "digits of a string, at most"] = 5,
    rate: Annotated[int, Ge(4000), "samples a second"] = 8000,
    seed: Annotated[int, Ge(0), "of the strings, voices, speeds and pitches"] = 0,
) -> Any:
    """Strings such as "seven three one", said by espeak-ng; the voices of test and validation are in no other split.

    Made once and kept in the cache folder: some minutes.
    """
    import numpy as np
    from datasets import Value

    from modrack_plugins.datasets.speech import DIGITS, drawn, spoken

    generator = np.random.default_rng(seed)
    splits = {}
    for split, size in (("train", rows), ("validation", max(1, rows // 10)), ("test", max(1, rows // 5))):
        strings = [
            " ".join(generator.choice(DIGITS, int(generator.integers(1, longest + 1))).tolist()) for _ in range(size)
        ]
        splits[split] = [drawn(text, split, generator) for text in strings]
    return spoken(splits, rate, "transcript", Value("string"))
