"""Your own sounds: a folder a class, or a table that says what each file is."""

from __future__ import annotations

from typing import Annotated, Any

from annotated_types import Ge

import modrack


@modrack.dataset(gives="audio", target=("class", "text"))
def audiofolder(
    like: modrack.Data | None,
    *,
    path: Annotated[str, "a folder: CLASS/x.wav, or x.wav and metadata.csv; below train, validation, test or alone"],
    label: Annotated[str | None, "the column of metadata to learn; none: found by name"] = None,
    transcripts: Annotated[bool | None, "that column holds texts to write down; none: found by its name"] = None,
    rate: Annotated[int, Ge(1000), "samples a second that files are brought to"] = 16_000,
) -> Any:
    """Folders of wav, flac, ogg or mp3 files whose folders are their classes, or beside a metadata.csv or .jsonl.

    Metadata have a column file_name, and label (classes) or transcript, transcription, text, sentence (texts to write).
    """
    from modrack_plugins.datasets.soundfiles import read_sound_folder

    if like is not None and like.sample_rate is not None:
        rate = like.sample_rate
    return read_sound_folder(path, label, transcripts, rate, like)
