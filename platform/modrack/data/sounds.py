"""Sounds as a model gets them: one channel, fp32 from -1 to 1, at one rate."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modrack_registry.errors import UserError

if TYPE_CHECKING:
    import numpy as np

# Samples a second where nothing says how many: what models of speech are mostly trained on.
SAMPLE_RATE = 16_000


def read_sound(source: bytes | str | Path, rate: int | None, name: str) -> np.ndarray[Any, Any]:
    """The samples of a wav, flac, ogg or mp3, its bytes or its file: fp32 (samples,), channels averaged.

    They are brought to `rate` a second, where there is one. `name` is what to call the sound in a mistake. Raises
    UserError for what is no sound, or an empty one.
    """
    try:
        import soundfile
        import soxr
    except ImportError as error:
        raise UserError(f"Reading sounds needs {error.name}.", "pip install 'modrack[audio]'") from None
    try:
        content = source if isinstance(source, bytes) else Path(source).read_bytes()
        if not content:
            raise OSError("the file is empty")
        samples, found = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        why = str(getattr(error, "error_string", error)).rstrip(".")
        raise UserError(f"{name}: the sound cannot be read ({why}).", "Mend or remove it.") from None
    if not len(samples):
        raise UserError(f"{name}: the sound is empty.", "Mend or remove it.")
    mono: np.ndarray[Any, Any] = samples.mean(1)
    if rate is not None and rate != found:
        mono = soxr.resample(mono, found, rate)
    return mono


def write_sound(samples: Any, rate: int) -> bytes:
    """A wav file in memory that holds fp32 `samples` (samples,) as they are."""
    import soundfile

    kept = io.BytesIO()
    soundfile.write(kept, samples, rate, format="WAV", subtype="FLOAT")
    return kept.getvalue()


def as_dataset(columns: dict[str, list[Any]], features: Any) -> Any:
    """A Dataset of `columns`, as `Dataset.from_dict` makes it, sounds too: it would ask for a decoder to write them."""
    from datasets import Dataset, Features, Value

    sounds = {name: feature for name, feature in features.items() if type(feature).__name__ == "Audio"}
    plain = {"bytes": Value("binary"), "path": Value("string")}
    made = Dataset.from_dict(columns, features=Features({**features, **dict.fromkeys(sounds, plain)}))
    for name, feature in sounds.items():
        made = made.cast_column(name, feature)
    return made
