"""Words spoken by espeak-ng in many voices, kept on the disk: sounds with known words, without a network."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import modrack

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ACCENTS = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029")
# espeak-ng's variants of a voice are as many speakers. Those of test and validation speak nowhere else.
SPEAKERS = {
    "train": ("m1", "m2", "m4", "m5", "m6", "m8", "f1", "f3", "f5"),
    "validation": ("m7",),
    "test": ("m3", "f2", "f4"),
}


@dataclass(frozen=True)
class Utterance:
    """What is said and how: `speed` words a minute, `pitch` 0 to 99."""

    text: str
    accent: str
    speaker: str
    speed: int
    pitch: int

    @property
    def voice(self) -> str:
        return f"{self.accent}+{self.speaker}"


def drawn(text: str, split: str, generator: Any) -> Utterance:
    """`text` in a voice of `split`, at a speed and a pitch, as `generator` (numpy's) draws them."""
    accent, speaker = str(generator.choice(ACCENTS)), str(generator.choice(SPEAKERS[split]))
    return Utterance(text, accent, speaker, int(generator.integers(120, 200)), int(generator.integers(25, 75)))


def spoken(splits: Mapping[str, Sequence[Utterance]], rate: int, label: str, feature: Any) -> Any:
    """A DatasetDict of what is said: `audio` as wav at `rate`, `voice`, and the texts as column `label`."""
    from datasets import Audio, Dataset, DatasetDict, Features, Value

    # As plain bytes first: to write a sound into its own kind of column the library asks for a decoder.
    plain = {"bytes": Value("binary"), "path": Value("string")}
    features = Features({"audio": plain, label: feature, "voice": Value("string")})
    made = {}
    for split, utterances in splits.items():
        sounds = _sounds(utterances, rate)
        rows = {
            "audio": [{"bytes": sound, "path": None} for sound in sounds],
            label: [each.text for each in utterances],
            "voice": [each.voice for each in utterances],
        }
        made[split] = Dataset.from_dict(rows, features=features).cast_column("audio", Audio(rate, decode=False))
    return DatasetDict(made)


def _sounds(utterances: Sequence[Utterance], rate: int) -> list[bytes]:
    """The wav of each, from the disk where they have been said before."""
    import pyarrow as pa

    key = hashlib.sha256(repr((_version(), rate, list(utterances))).encode()).hexdigest()[:24]
    place = _cache() / f"{key}.arrow"
    if place.is_file():
        with pa.memory_map(str(place)) as source:
            return list(pa.ipc.open_file(source).read_all().column("wav").to_pylist())
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        sounds = list(pool.map(lambda each: _say(each, rate), utterances))
    place.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"wav": pa.array(sounds, pa.large_binary())})
    # Another process may be making the same.
    aside = place.with_suffix(f".{os.getpid()}")
    with pa.OSFile(str(aside), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    aside.replace(place)
    return sounds


def _say(utterance: Utterance, rate: int) -> bytes:
    import io

    import soundfile
    import soxr

    command = [
        "espeak-ng", "--stdout", "-v", utterance.voice, "-s", str(utterance.speed), "-p", str(utterance.pitch),
        utterance.text,
    ]  # fmt: skip
    wav = subprocess.run(command, capture_output=True, check=True).stdout
    # Written to a pipe, its header does not know the length.
    wav = wav[:4] + (len(wav) - 8).to_bytes(4, "little") + wav[8:40] + (len(wav) - 44).to_bytes(4, "little") + wav[44:]
    samples, found = soundfile.read(io.BytesIO(wav), dtype="float32")
    buffer = io.BytesIO()
    soundfile.write(buffer, soxr.resample(samples, found, rate), rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


@cache
def _version() -> str:
    """Of espeak-ng: another one speaks otherwise. Raises UserError where it, or the library for sounds, is missing."""
    try:
        import soundfile  # noqa: F401
        import soxr  # noqa: F401
    except ImportError as error:
        raise modrack.UserError(f"Sounds need {error.name}.", "pip install 'modrack[audio]'") from None
    try:
        said = subprocess.run(["espeak-ng", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        raise modrack.UserError(
            "The voices are those of espeak-ng, which is not installed.", "On Debian: apt-get install espeak-ng"
        ) from None
    found = re.search(r"\d+\.\d+(\.\d+)?", said)
    return found.group(0) if found else said.strip()


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "modrack/speech"
