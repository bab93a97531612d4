"""The announcements of the telephone system Asterisk: recordings of a person, with transcripts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Gt

import modrack

TRANSCRIPTS = "/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz"


@modrack.dataset(gives="audio", target="text")
def asterisk(
    *,
    path: Annotated[str, "the folder of wav files; Debian: /usr/share/asterisk/sounds/en_US_f_Allison"],
    transcripts: Annotated[str, "the file with a line 'name: text' for each recording, gzipped or not"] = TRANSCRIPTS,
    longest: Annotated[float, Gt(0), "seconds; longer recordings are left out"] = 10.0,
    rate: Annotated[int, Ge(1000), "samples a second that files are brought to"] = 8000,
) -> Any:
    """Real recordings of one speaker (Debian: asterisk-core-sounds-en, asterisk-core-sounds-en-wav), a few hundred.

    Texts are in small letters without punctuation. Tones, and what has no recording, are left out.
    """
    import gzip
    import wave

    from datasets import Audio, DatasetDict, Features, Value

    from modrack.data.sounds import as_dataset

    folder, listed = Path(path).expanduser(), Path(transcripts).expanduser()
    if not folder.is_dir():
        raise modrack.UserError(f"dataset.path={path}: there is no such folder.")
    if not listed.is_file():
        raise modrack.UserError(f"dataset.transcripts={transcripts}: there is no such file.")
    try:
        content = listed.read_bytes()
        lines = (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode("utf-8").splitlines()
    except (OSError, EOFError, ValueError) as error:
        raise modrack.UserError(f"{listed}: it cannot be read ({error}).") from None
    files, texts = [], []
    for line in lines:
        name, sign, said = line.partition(":")
        file, text = folder / f"{name.strip()}.wav", spelled(said)
        if line.startswith(";") or not sign or not text or not file.is_file():
            continue
        try:
            with wave.open(str(file)) as opened:
                seconds = opened.getnframes() / opened.getframerate()
        except (wave.Error, EOFError) as error:
            raise modrack.UserError(f"{file}: the sound cannot be read ({error}).", "Mend or remove it.") from None
        if 0 < seconds <= longest:
            files.append({"bytes": None, "path": str(file)})
            texts.append(text)
    if not files:
        raise modrack.UserError(f"dataset.path={path}: no recording of {listed} is in it.")
    features = Features({"audio": Audio(sampling_rate=rate, decode=False), "transcript": Value("string")})
    return DatasetDict(train=as_dataset({"audio": files, "transcript": texts}, features))


def spelled(said: str) -> str:
    """The words of a line in small letters; empty for a tone, which stands in brackets, and for what has numerals."""
    if any(mark in said for mark in "[]()<>") or any(each.isdigit() for each in said):
        return ""
    kept = "".join(each if each.isalpha() or each == "'" else " " for each in said.lower().replace("’", "'"))
    return " ".join(word.strip("'") for word in kept.split() if word.strip("'"))
